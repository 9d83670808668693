/* TCP load at a fixed rate, idle sessions, and an echo endpoint, in one program.
 *
 *   tcp-load echo ADDRESS PORT [ADDRESS...]
 *       answers every byte with itself until killed
 *   tcp-load paced ADDRESS PORT CONNECTIONS RATE REQUESTS_EACH SECONDS
 *       RATE HTTP requests a second over CONNECTIONS keep-alive connections. Latency counts from the moment a request
 *       was due, so a stall is charged to every request that had to wait for it. With REQUESTS_EACH above 0 a
 *       connection is closed after so many, and the next request pays for a new one. Prints one line of JSON.
 *   tcp-load idle ADDRESS PORT COUNT
 *       opens COUNT sessions, echoes one byte through each, prints {"opened":...}; when its input ends it echoes
 *       another byte through each and prints {"alive":...}
 */
#define _GNU_SOURCE
#include "histogram.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define GRACE_NS 2000000000ull
#define CONNECTING_AT_ONCE 128
#define IDLE_PATIENCE_NS 20000000000ull

static void die(const char *what) {
  fprintf(stderr, "tcp-load: %s: %s\n", what, strerror(errno));
  exit(1);
}

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static struct sockaddr_in address_of(const char *ip, const char *port) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
  if (inet_pton(AF_INET, ip, &a.sin_addr) != 1) {
    fprintf(stderr, "tcp-load: %s: not an IPv4 address\n", ip);
    exit(2);
  }
  return a;
}

static void raise_descriptor_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

static int epoll_add(int epoll, int fd, uint32_t events, uint32_t number) {
  struct epoll_event event = {.events = events, .data.u32 = number};
  return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

/* ------------------------------------------------------------------------------------------------ echo */

static _Noreturn void echo(int count, char **ip, const char *port) {
  static char data[65536];
  int epoll = epoll_create1(0), listeners[64], one = 1;
  for (int i = 0; i < count && i < 64; i++) {
    struct sockaddr_in local = address_of(ip[i], port);
    listeners[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listeners[i], SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listeners[i], (struct sockaddr *)&local, sizeof local) != 0) die("bind");
    if (listen(listeners[i], 4096) != 0) die("listen");
    if (epoll_add(epoll, listeners[i], EPOLLIN, (uint32_t)i) != 0) die("epoll_ctl");
  }
  for (;;) {
    struct epoll_event events[64];
    int ready = epoll_wait(epoll, events, 64, -1);
    for (int e = 0; e < ready; e++) {
      uint32_t number = events[e].data.u32;
      if (number < (uint32_t)count) {
        int fd = accept4(listeners[number], NULL, NULL, SOCK_NONBLOCK);
        if (fd >= 0) epoll_add(epoll, fd, EPOLLIN, (uint32_t)fd + 64);
        continue;
      }
      int fd = (int)number - 64;
      ssize_t got = read(fd, data, sizeof data);
      if (got > 0) {
        if (write(fd, data, (size_t)got) != got) close(fd);
      } else if (got == 0 || errno != EAGAIN) close(fd);
    }
  }
}

/* ----------------------------------------------------------------------------------------------- paced */

enum state { CLOSED, CONNECTING, FREE, WAITING };

struct connection {
  enum state state;
  int fd, done, got;
  uint64_t due_ns;
  char answer[4096];
};

struct paced {
  struct sockaddr_in to;
  int epoll, each;
  struct connection *connections;
  int *free_list, free_count;
  uint64_t sent, answered, failed, opened;
  char request[256];
  int request_size;
};

static struct histogram latency;

static void release(struct paced *p, int n) { p->free_list[p->free_count++] = n; }

static void close_connection(struct paced *p, int n) {
  close(p->connections[n].fd);
  p->connections[n].state = CLOSED;
  release(p, n);
}

static void fail_request(struct paced *p, int n) {
  p->failed++;
  close_connection(p, n);
}

static void write_request(struct paced *p, int n) {
  struct connection *c = &p->connections[n];
  c->got = 0;
  c->state = WAITING;
  if (send(c->fd, p->request, (size_t)p->request_size, MSG_NOSIGNAL) != p->request_size) fail_request(p, n);
}

static void start_request(struct paced *p, int n, uint64_t due_ns) {
  struct connection *c = &p->connections[n];
  int one = 1;
  c->due_ns = due_ns;
  p->sent++;
  if (c->state == FREE) {
    write_request(p, n);
    return;
  }
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (c->fd < 0) die("socket");
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  c->done = 0;
  c->state = CONNECTING;
  p->opened++;
  if (connect(c->fd, (struct sockaddr *)&p->to, sizeof p->to) != 0 && errno != EINPROGRESS) {
    fail_request(p, n);
    return;
  }
  if (epoll_add(p->epoll, c->fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, (uint32_t)n) != 0) die("epoll_ctl");
}

/* Whether the bytes so far are one whole answer: 1 yes, 0 not yet, -1 not what was asked for. */
static int whole_answer(const struct connection *c) {
  const char *end = memmem(c->answer, (size_t)c->got, "\r\n\r\n", 4), *length;
  if (c->got >= 12 && memcmp(c->answer + 8, " 200", 4) != 0) return -1;
  if (!end) return c->got < (int)sizeof c->answer - 1 ? 0 : -1;
  length = strcasestr(c->answer, "\r\nContent-Length:");
  if (!length || length > end) return -1;
  long wanted = end + 4 - c->answer + atol(length + 17);
  return c->got < wanted ? 0 : c->got == wanted ? 1 : -1;
}

static void read_answer(struct paced *p, int n) {
  struct connection *c = &p->connections[n];
  for (;;) {
    ssize_t got = recv(c->fd, c->answer + c->got, sizeof c->answer - 1 - (size_t)c->got, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
      fail_request(p, n);
      return;
    }
    c->got += (int)got;
    c->answer[c->got] = 0;
    int whole = whole_answer(c);
    if (whole < 0) {
      fail_request(p, n);
      return;
    }
    if (whole == 0) continue;
    p->answered++;
    histogram_add(&latency, now_ns() - c->due_ns);
    c->state = FREE;
    c->done++;
    if (p->each > 0 && c->done >= p->each) close_connection(p, n);
    else release(p, n);
    return;
  }
}

static void on_event(struct paced *p, int n, uint32_t events) {
  struct connection *c = &p->connections[n];
  if (c->state == CONNECTING && (events & (EPOLLERR | EPOLLHUP))) fail_request(p, n);
  else if (c->state == CONNECTING && (events & EPOLLOUT)) write_request(p, n);
  else if (c->state == WAITING && (events & (EPOLLIN | EPOLLERR | EPOLLHUP | EPOLLRDHUP))) read_answer(p, n);
  else if (c->state == FREE && (events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP))) {
    /* Closed between two requests: nothing of ours was lost. It stays in the free list, now closed. */
    close(c->fd);
    c->state = CLOSED;
  }
}

static int paced(struct sockaddr_in to, int connections, double rate, int each, double seconds, const char *ip) {
  struct paced p = {.to = to, .epoll = epoll_create1(0), .each = each};
  p.connections = calloc((size_t)connections, sizeof *p.connections);
  p.free_list = calloc((size_t)connections, sizeof *p.free_list);
  for (int n = connections - 1; n >= 0; n--) release(&p, n);
  p.request_size = snprintf(p.request, sizeof p.request, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", ip);
  prctl(PR_SET_TIMERSLACK, 1000ul);
  uint64_t start = now_ns(), total = (uint64_t)(rate * seconds), give_up = start + (uint64_t)(seconds * 1e9) + GRACE_NS;
  double gap_ns = 1e9 / rate;
  for (;;) {
    uint64_t now = now_ns(), due = (uint64_t)((double)(now - start) / gap_ns) + 1, wait_ns = 5000000;
    if (due > total) due = total;
    while (p.sent < due && p.free_count > 0) start_request(&p, p.free_list[--p.free_count], start + (uint64_t)((double)p.sent * gap_ns));
    if (p.answered + p.failed >= total || now > give_up) break;
    if (p.sent < total && p.free_count > 0) {
      uint64_t next = start + (uint64_t)((double)p.sent * gap_ns);
      now = now_ns();
      wait_ns = next > now ? next - now : 0;
    }
    struct epoll_event events[128];
    struct timespec wait = {.tv_sec = 0, .tv_nsec = (long)(wait_ns < 5000000 ? wait_ns : 5000000)};
    int ready = epoll_pwait2(p.epoll, events, 128, &wait, NULL);
    for (int e = 0; e < ready; e++) on_event(&p, (int)events[e].data.u32, events[e].events);
  }
  double took = (double)(now_ns() - start) / 1e9;
  printf("{\"seconds\":%.6f,\"due\":%lu,\"sent\":%lu,\"answered\":%lu,\"failed\":%lu,\"unanswered\":%lu,\"opened\":%lu,"
         "\"perSecond\":%.1f,\"p50Us\":%.1f,\"p90Us\":%.1f,\"p99Us\":%.1f,\"p999Us\":%.1f,\"maxUs\":%.1f}\n",
         took, total, p.sent, p.answered, p.failed, total - p.answered - p.failed, p.opened, (double)p.answered / took,
         histogram_quantile_us(&latency, 0.5), histogram_quantile_us(&latency, 0.9), histogram_quantile_us(&latency, 0.99),
         histogram_quantile_us(&latency, 0.999), (double)latency.max_ns / 1e3);
  return 0;
}

/* ------------------------------------------------------------------------------------------------ idle */

/* Sends one byte on each descriptor that is given and counts those that come back in time. */
static int echo_each(int epoll, const int *fds, int count) {
  uint64_t give_up = now_ns() + IDLE_PATIENCE_NS;
  int sent = 0, back = 0, ended = 0;
  while (back + ended < count && now_ns() < give_up) {
    while (sent < count && sent - back - ended < CONNECTING_AT_ONCE) {
      if (fds[sent] < 0 || send(fds[sent], "x", 1, MSG_NOSIGNAL) != 1) ended++;
      sent++;
    }
    struct epoll_event events[128];
    int ready = epoll_wait(epoll, events, 128, 100);
    for (int e = 0; e < ready; e++) {
      char byte;
      int fd = (int)events[e].data.u32;
      ssize_t got = read(fd, &byte, 1);
      if (got == 1 && byte == 'x') back++;
      else if (got == 0 || (got < 0 && errno != EAGAIN)) {
        epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
        ended++;
      }
    }
  }
  return back;
}

static int idle(struct sockaddr_in to, int count) {
  int *fds = calloc((size_t)count, sizeof *fds), epoll = epoll_create1(0), failed = 0;
  char rest[64];
  raise_descriptor_limit();
  for (int i = 0; i < count; i++) {
    fds[i] = socket(AF_INET, SOCK_STREAM, 0);
    if (fds[i] < 0) die("socket");
    if (connect(fds[i], (struct sockaddr *)&to, sizeof to) != 0) {
      close(fds[i]);
      fds[i] = -1;
      failed++;
      continue;
    }
    if (epoll_add(epoll, fds[i], EPOLLIN, (uint32_t)fds[i]) != 0) die("epoll_ctl");
  }
  printf("{\"opened\":%d,\"failed\":%d}\n", echo_each(epoll, fds, count), failed);
  fflush(stdout);
  while (read(0, rest, sizeof rest) > 0) continue;
  printf("{\"alive\":%d}\n", echo_each(epoll, fds, count));
  return 0;
}

int main(int argc, char **argv) {
  if (argc >= 4 && strcmp(argv[1], "echo") == 0) {
    char *port = argv[3];
    argv[3] = argv[2];
    raise_descriptor_limit();
    echo(argc - 3, argv + 3, port);
  }
  if (argc == 8 && strcmp(argv[1], "paced") == 0)
    return paced(address_of(argv[2], argv[3]), atoi(argv[4]), atof(argv[5]), atoi(argv[6]), atof(argv[7]), argv[2]);
  if (argc == 5 && strcmp(argv[1], "idle") == 0) return idle(address_of(argv[2], argv[3]), atoi(argv[4]));
  fprintf(stderr, "usage: tcp-load echo|paced|idle ... (see the head of tcp-load.c)\n");
  return 2;
}
