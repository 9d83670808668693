/* UDP load and its endpoint, in one program.
 *
 *   udp-load echo ADDRESS PORT [ADDRESS...]
 *       answers every datagram with itself until killed
 *   udp-load round-trip ADDRESS PORT FLOWS OUTSTANDING SIZE SECONDS
 *       keeps OUTSTANDING datagrams under way in each flow; every answer is checked; prints one line of JSON
 *   udp-load stream ADDRESS PORT SINK_ADDRESS SINK_PORT FLOWS SIZE WINDOW BATCH gso|plain gro|no-gro SECONDS
 *       sends one way to ADDRESS and is itself the endpoint at SINK_ADDRESS, so that it knows what is under way and
 *       never has more than WINDOW datagrams in the proxy's queues: a loss is then the proxy's
 *
 * A datagram is lost when it has not arrived LOSS_NS after it was sent.
 */
#define _GNU_SOURCE
#include "histogram.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define MAGIC 0x706f7274u
#define BATCH_MAX 64
#define LOSS_NS 300000000ull
#define LARGEST 65536

static void die(const char *what) {
  fprintf(stderr, "udp-load: %s: %s\n", what, strerror(errno));
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
    fprintf(stderr, "udp-load: %s: not an IPv4 address\n", ip);
    exit(2);
  }
  return a;
}

static int open_socket(const struct sockaddr_in *local, const struct sockaddr_in *remote) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), bytes = 8 << 20;
  if (fd < 0) die("socket");
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0)
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  if (local && bind(fd, (const struct sockaddr *)local, sizeof *local) != 0) die("bind");
  if (remote && connect(fd, (const struct sockaddr *)remote, sizeof *remote) != 0) die("connect");
  return fd;
}

/* ------------------------------------------------------------------------------------------------ echo */

static _Noreturn void echo(int count, char **ip, const char *port) {
  static unsigned char data[BATCH_MAX][LARGEST];
  static struct sockaddr_in from[BATCH_MAX];
  struct mmsghdr messages[BATCH_MAX];
  struct iovec parts[BATCH_MAX];
  int epoll = epoll_create1(0);
  for (int i = 0; i < count; i++) {
    struct sockaddr_in local = address_of(ip[i], port);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = open_socket(&local, NULL)};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event) != 0) die("epoll_ctl");
  }
  for (;;) {
    struct epoll_event events[16];
    int ready = epoll_wait(epoll, events, 16, -1);
    for (int e = 0; e < ready; e++) {
      int fd = events[e].data.fd;
      for (int i = 0; i < BATCH_MAX; i++) {
        parts[i] = (struct iovec){data[i], LARGEST};
        messages[i].msg_hdr = (struct msghdr){.msg_name = &from[i], .msg_namelen = sizeof from[i], .msg_iov = &parts[i], .msg_iovlen = 1};
      }
      int got = recvmmsg(fd, messages, BATCH_MAX, 0, NULL);
      for (int i = 0; i < got; i++) parts[i].iov_len = messages[i].msg_len;
      for (int sent = 0; sent < got;) {
        int n = sendmmsg(fd, messages + sent, (unsigned)(got - sent), 0);
        if (n > 0) sent += n;
        else if (errno != EINTR && errno != ECONNREFUSED) sent++;
      }
    }
  }
}

/* ------------------------------------------------------------------------------------------ round trip */

struct payload {
  uint32_t magic, flow;
  uint64_t slot, sequence;
};

struct slot {
  uint64_t sequence, sent_ns;
  int busy;
};

struct counts {
  uint64_t sent, received, lost, late, corrupt, refused;
};

struct flow {
  int fd;
  struct slot *slots;
};

static unsigned char filler(uint64_t sequence) { return (unsigned char)(sequence * 31 + 7); }

/* Sends one datagram for every slot of the flow that is free. */
static void fill_flow(struct flow *flow, uint32_t number, int outstanding, int size, struct counts *counts) {
  static unsigned char data[BATCH_MAX][LARGEST];
  static uint64_t sequence;
  struct mmsghdr messages[BATCH_MAX];
  struct iovec parts[BATCH_MAX];
  int used[BATCH_MAX], n = 0;
  for (int s = 0; s < outstanding && n < BATCH_MAX; s++) {
    if (flow->slots[s].busy) continue;
    struct payload head = {MAGIC, number, (uint64_t)s, ++sequence};
    memcpy(data[n], &head, sizeof head);
    memset(data[n] + sizeof head, filler(sequence), (size_t)size - sizeof head);
    flow->slots[s].sequence = sequence;
    parts[n] = (struct iovec){data[n], (size_t)size};
    messages[n].msg_hdr = (struct msghdr){.msg_iov = &parts[n], .msg_iovlen = 1};
    used[n++] = s;
  }
  if (n == 0) return;
  int sent = sendmmsg(flow->fd, messages, (unsigned)n, 0);
  if (sent < 0) {
    if (errno == ECONNREFUSED) counts->refused++;
    else if (errno != EAGAIN && errno != EINTR) die("sendmmsg");
    return;
  }
  uint64_t now = now_ns();
  for (int i = 0; i < sent; i++) {
    flow->slots[used[i]].busy = 1;
    flow->slots[used[i]].sent_ns = now;
  }
  counts->sent += (uint64_t)sent;
}

static void take_answers(struct flow *flow, uint32_t number, int outstanding, int size, struct counts *counts, struct histogram *latency) {
  static unsigned char data[BATCH_MAX][LARGEST];
  struct mmsghdr messages[BATCH_MAX];
  struct iovec parts[BATCH_MAX];
  for (int i = 0; i < BATCH_MAX; i++) {
    parts[i] = (struct iovec){data[i], LARGEST};
    messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
  }
  int got = recvmmsg(flow->fd, messages, BATCH_MAX, 0, NULL);
  if (got < 0) {
    if (errno == ECONNREFUSED) counts->refused++;
    return;
  }
  uint64_t now = now_ns();
  for (int i = 0; i < got; i++) {
    struct payload head;
    memcpy(&head, data[i], sizeof head);
    if (messages[i].msg_len != (unsigned)size || head.magic != MAGIC || head.flow != number || head.slot >= (uint64_t)outstanding ||
        (size > (int)sizeof head && data[i][size - 1] != filler(head.sequence))) {
      counts->corrupt++;
      continue;
    }
    struct slot *slot = &flow->slots[head.slot];
    if (!slot->busy || slot->sequence != head.sequence) {
      counts->late++;
      continue;
    }
    slot->busy = 0;
    counts->received++;
    histogram_add(latency, now - slot->sent_ns);
  }
}

static void sweep_lost(struct flow *flow, int outstanding, uint64_t before_ns, struct counts *counts) {
  for (int s = 0; s < outstanding; s++) {
    if (!flow->slots[s].busy || flow->slots[s].sent_ns > before_ns) continue;
    flow->slots[s].busy = 0;
    counts->lost++;
  }
}

static int round_trip(const struct sockaddr_in *to, int flow_count, int outstanding, int size, double seconds) {
  static struct histogram latency;
  struct counts counts = {0};
  struct flow *flows = calloc((size_t)flow_count, sizeof *flows);
  int epoll = epoll_create1(0);
  if (size < (int)sizeof(struct payload) || size > LARGEST || outstanding > BATCH_MAX) {
    fprintf(stderr, "udp-load: size must be %zu to %d and outstanding at most %d\n", sizeof(struct payload), LARGEST, BATCH_MAX);
    return 2;
  }
  for (int f = 0; f < flow_count; f++) {
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)f};
    flows[f].fd = open_socket(NULL, to);
    flows[f].slots = calloc((size_t)outstanding, sizeof(struct slot));
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, flows[f].fd, &event) != 0) die("epoll_ctl");
  }
  uint64_t start = now_ns(), end = start + (uint64_t)(seconds * 1e9), swept = start;
  for (int f = 0; f < flow_count; f++) fill_flow(&flows[f], (uint32_t)f, outstanding, size, &counts);
  uint64_t now = start;
  while (now < end) {
    struct epoll_event events[256];
    int ready = epoll_wait(epoll, events, 256, 10);
    for (int e = 0; e < ready; e++) {
      uint32_t f = events[e].data.u32;
      take_answers(&flows[f], f, outstanding, size, &counts, &latency);
      fill_flow(&flows[f], f, outstanding, size, &counts);
    }
    now = now_ns();
    if (now - swept < 50000000) continue;
    swept = now;
    for (int f = 0; f < flow_count; f++) {
      sweep_lost(&flows[f], outstanding, now - LOSS_NS, &counts);
      fill_flow(&flows[f], (uint32_t)f, outstanding, size, &counts);
    }
  }
  double took = (double)(now - start) / 1e9;
  uint64_t answered = counts.received;
  while (now_ns() < now + LOSS_NS && counts.received + counts.lost < counts.sent) {
    struct epoll_event events[256];
    int ready = epoll_wait(epoll, events, 256, 10);
    for (int e = 0; e < ready; e++) take_answers(&flows[events[e].data.u32], events[e].data.u32, outstanding, size, &counts, &latency);
  }
  for (int f = 0; f < flow_count; f++) sweep_lost(&flows[f], outstanding, UINT64_MAX, &counts);
  printf("{\"seconds\":%.6f,\"sent\":%lu,\"received\":%lu,\"lost\":%lu,\"late\":%lu,\"corrupt\":%lu,\"refused\":%lu,"
         "\"perSecond\":%.1f,\"p50Us\":%.1f,\"p99Us\":%.1f,\"maxUs\":%.1f}\n",
         took, counts.sent, counts.received, counts.lost, counts.late, counts.corrupt, counts.refused, (double)answered / took,
         histogram_quantile_us(&latency, 0.5), histogram_quantile_us(&latency, 0.99), (double)latency.max_ns / 1e3);
  return 0;
}

/* ---------------------------------------------------------------------------------------------- stream */

struct stream {
  int size, batch, gso;
  unsigned char *data;
};

/* One batch in one flow; how many datagrams went out. */
static int send_batch(const struct stream *stream, int fd, int n) {
  if (stream->gso) {
    union {
      char bytes[CMSG_SPACE(sizeof(uint16_t))];
      struct cmsghdr align;
    } control = {0};
    struct iovec part = {stream->data, (size_t)(n * stream->size)};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    uint16_t segment = (uint16_t)stream->size;
    header->cmsg_level = IPPROTO_UDP;
    header->cmsg_type = UDP_SEGMENT;
    header->cmsg_len = CMSG_LEN(sizeof segment);
    memcpy(CMSG_DATA(header), &segment, sizeof segment);
    return sendmsg(fd, &message, 0) < 0 ? -1 : n;
  }
  struct mmsghdr messages[BATCH_MAX];
  struct iovec part = {stream->data, (size_t)stream->size};
  for (int i = 0; i < n; i++) messages[i].msg_hdr = (struct msghdr){.msg_iov = &part, .msg_iovlen = 1};
  return sendmmsg(fd, messages, (unsigned)n, 0);
}

/* Everything that waits in the sink's socket, in datagrams; aggregated ones are counted by their segment size. */
static uint64_t drain_sink(int fd, int size, uint64_t *corrupt) {
  static unsigned char data[BATCH_MAX][LARGEST];
  static char control[BATCH_MAX][CMSG_SPACE(sizeof(int))];
  struct mmsghdr messages[BATCH_MAX];
  struct iovec parts[BATCH_MAX];
  for (int i = 0; i < BATCH_MAX; i++) {
    parts[i] = (struct iovec){data[i], LARGEST};
    messages[i].msg_hdr =
        (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1, .msg_control = control[i], .msg_controllen = sizeof control[i]};
  }
  int got = recvmmsg(fd, messages, BATCH_MAX, 0, NULL);
  uint64_t datagrams = 0;
  for (int i = 0; i < got; i++) {
    int segment = (int)messages[i].msg_len;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&messages[i].msg_hdr); c; c = CMSG_NXTHDR(&messages[i].msg_hdr, c))
      if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) memcpy(&segment, CMSG_DATA(c), sizeof segment);
    if (segment != size || messages[i].msg_len % (unsigned)size != 0 || data[i][size - 1] != 'x') (*corrupt)++;
    else datagrams += messages[i].msg_len / (unsigned)size;
  }
  return datagrams;
}

static int stream_one_way(const struct sockaddr_in *to, const struct sockaddr_in *sink_address, int flow_count, int window,
                          const struct stream *stream, int gro, double seconds) {
  struct counts counts = {0};
  int *flows = calloc((size_t)flow_count, sizeof *flows), next = 0, sink = open_socket(sink_address, NULL);
  if (gro && setsockopt(sink, IPPROTO_UDP, UDP_GRO, &(int){1}, sizeof(int)) != 0) die("UDP_GRO");
  for (int f = 0; f < flow_count; f++) flows[f] = open_socket(NULL, to);
  memset(stream->data, 'x', LARGEST);
  uint64_t start = now_ns(), end = start + (uint64_t)(seconds * 1e9), now = start, heard = start, last = start;
  while (now < end || (counts.received + counts.lost < counts.sent)) {
    while (now < end && counts.sent - counts.received - counts.lost + (uint64_t)stream->batch <= (uint64_t)window) {
      int n = send_batch(stream, flows[next], stream->batch);
      next = (next + 1) % flow_count;
      if (n > 0) counts.sent += (uint64_t)n;
      else if (errno == ECONNREFUSED) counts.refused++;
      else if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS) die("send");
      if (n <= 0) break;
    }
    uint64_t got = drain_sink(sink, stream->size, &counts.corrupt);
    now = now_ns();
    if (got > 0) {
      counts.received += got;
      heard = last = now;
      /* What was given up for lost and came after all. */
      if (counts.received + counts.lost > counts.sent) {
        uint64_t late = counts.received + counts.lost - counts.sent;
        counts.late += late;
        counts.lost -= late < counts.lost ? late : counts.lost;
      }
      continue;
    }
    poll(&(struct pollfd){.fd = sink, .events = POLLIN}, 1, 10);
    now = now_ns();
    if (now - heard < LOSS_NS) continue;
    counts.lost = counts.sent - counts.received;
    heard = now;
  }
  double took = last > start ? (double)(last - start) / 1e9 : seconds;
  printf("{\"seconds\":%.6f,\"sent\":%lu,\"received\":%lu,\"lost\":%lu,\"late\":%lu,\"corrupt\":%lu,\"refused\":%lu,\"perSecond\":%.1f}\n",
         took, counts.sent, counts.received, counts.lost, counts.late, counts.corrupt, counts.refused, (double)counts.received / took);
  return 0;
}

int main(int argc, char **argv) {
  static unsigned char data[LARGEST];
  if (argc >= 4 && strcmp(argv[1], "echo") == 0) {
    char *port = argv[3];
    argv[3] = argv[2];
    echo(argc - 3, argv + 3, port);
  }
  if (argc == 8 && strcmp(argv[1], "round-trip") == 0) {
    struct sockaddr_in to = address_of(argv[2], argv[3]);
    return round_trip(&to, atoi(argv[4]), atoi(argv[5]), atoi(argv[6]), atof(argv[7]));
  }
  if (argc == 13 && strcmp(argv[1], "stream") == 0) {
    struct sockaddr_in to = address_of(argv[2], argv[3]), sink = address_of(argv[4], argv[5]);
    struct stream stream = {.size = atoi(argv[7]), .batch = atoi(argv[9]), .gso = strcmp(argv[10], "gso") == 0, .data = data};
    if (stream.batch > BATCH_MAX || stream.size * stream.batch > 65000) {
      fprintf(stderr, "udp-load: a batch is at most %d datagrams and 65000 bytes\n", BATCH_MAX);
      return 2;
    }
    return stream_one_way(&to, &sink, atoi(argv[6]), atoi(argv[8]), &stream, strcmp(argv[11], "gro") == 0, atof(argv[12]));
  }
  fprintf(stderr, "usage: udp-load echo|round-trip|stream ... (see the head of udp-load.c)\n");
  return 2;
}
