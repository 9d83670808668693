// An SCTP peer for tests, over libusrsctp on raw sockets: a stack of its own that shares nothing with the proxy. Built by
// sctp-lab.ts. It says on stdout what happens, a line each; `serve` and `hold` take orders.
//
//   sctp-peer serve NAME ADDRESS PORT     answers every message with itself, but for those that begin with an order:
//                                         I its name, A abort, C shut down, Z read nothing for 3 s, S nothing, F a count of S
//   sctp-peer echo ADDRESS PORT COUNT     sends messages of 8 B to 200 kB over 13 streams, and checks what comes back
//   sctp-peer who ADDRESS PORT COUNT      asks for the name, COUNT associations after each other
//   sctp-peer many ADDRESS PORT COUNT     COUNT associations at once, five messages each
//   sctp-peer flood ADDRESS PORT COUNT SIZE [Z]   sends COUNT messages as fast as it can; Z: to one who does not read at first
//   sctp-peer order ADDRESS PORT LETTER   sends an order and says how the association ends
//   sctp-peer hold ADDRESS PORT LOCAL-PORT        0: any; stays; takes lines: say TEXT, shutdown, abort, die
//   sctp-peer setups ADDRESS PORT SECONDS   sets up and shuts down associations, one after the other
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <usrsctp.h>

#define LONGEST (1 << 20)
#define STREAMS 13
#define PPID 1000

static const int SIZES[] = {8, 10, 100, 1000, 1400, 1452, 1500, 3000, 9000, 60000, 200000};
#define SIZE_COUNT ((int)(sizeof SIZES / sizeof *SIZES))

static const char *address;
static int port;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void say(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  pthread_mutex_lock(&lock);
  vprintf(format, arguments);
  putchar('\n');
  fflush(stdout);
  pthread_mutex_unlock(&lock);
  va_end(arguments);
}

static void die(const char *what) {
  say("failed %s: %s", what, strerror(errno));
  exit(1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}

static struct sockaddr *place(const char *ip, int number, struct sockaddr_storage *into, socklen_t *length) {
  memset(into, 0, sizeof *into);
  if (strchr(ip, ':')) {
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)into;
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(number);
    inet_pton(AF_INET6, ip, &six->sin6_addr);
    *length = sizeof *six;
  } else {
    struct sockaddr_in *four = (struct sockaddr_in *)into;
    four->sin_family = AF_INET;
    four->sin_port = htons(number);
    inet_pton(AF_INET, ip, &four->sin_addr);
    *length = sizeof *four;
  }
  return (struct sockaddr *)into;
}

static struct socket *open_socket(const char *ip) {
  struct socket *socket = usrsctp_socket(strchr(ip, ':') ? AF_INET6 : AF_INET, SOCK_STREAM, IPPROTO_SCTP, NULL, NULL, 0, NULL);
  if (!socket) die("socket");
  struct sctp_initmsg streams = {.sinit_num_ostreams = 64, .sinit_max_instreams = 64, .sinit_max_attempts = 4, .sinit_max_init_timeo = 2000};
  int on = 1, room = 1 << 20;
  usrsctp_setsockopt(socket, IPPROTO_SCTP, SCTP_INITMSG, &streams, sizeof streams);
  usrsctp_setsockopt(socket, IPPROTO_SCTP, SCTP_RECVRCVINFO, &on, sizeof on);
  usrsctp_setsockopt(socket, IPPROTO_SCTP, SCTP_NODELAY, &on, sizeof on);
  struct sctp_event event = {.se_assoc_id = SCTP_FUTURE_ASSOC, .se_on = 1, .se_type = SCTP_ASSOC_CHANGE};
  usrsctp_setsockopt(socket, IPPROTO_SCTP, SCTP_EVENT, &event, sizeof event);
  usrsctp_setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
  usrsctp_setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  return socket;
}

static struct socket *dial(int local_port) {
  struct socket *socket = open_socket(address);
  struct sockaddr_storage room;
  socklen_t length;
  if (local_port) {
    struct sockaddr *here = place(strchr(address, ':') ? "::" : "0.0.0.0", local_port, &room, &length);
    if (usrsctp_bind(socket, here, length) < 0) die("bind");
  }
  struct sockaddr *there = place(address, port, &room, &length);
  if (usrsctp_connect(socket, there, length) == 0) return socket;
  say("refused %s", strerror(errno));
  usrsctp_close(socket);
  return NULL;
}

static int put(struct socket *socket, const void *bytes, size_t length, int stream, uint32_t ppid, int unordered) {
  struct sctp_sndinfo info = {.snd_sid = stream, .snd_ppid = htonl(ppid), .snd_flags = unordered ? SCTP_UNORDERED : 0};
  return usrsctp_sendv(socket, bytes, length, NULL, 0, &info, sizeof info, SCTP_SENDV_SNDINFO, 0) < 0 ? -1 : 0;
}

static void tell(const char *bytes) {
  static const char *const STATES[] = {"?", "up", "lost", "restarted", "shut down", "not begun"};
  const union sctp_notification *note = (const void *)bytes;
  if (note->sn_header.sn_type == SCTP_ASSOC_CHANGE) say("association %s", STATES[note->sn_assoc_change.sac_state % 6]);
}

// One whole message, its length; 0 at the end, -1 for an error. What is no message is told.
static ssize_t take(struct socket *socket, char *into, struct sctp_rcvinfo *info, int quiet) {
  size_t length = 0;
  for (;;) {
    struct sockaddr_storage from;
    socklen_t from_length = sizeof from, info_length = sizeof *info;
    unsigned kind = 0;
    int flags = 0;
    ssize_t got = usrsctp_recvv(socket, into + length, LONGEST - length, (struct sockaddr *)&from, &from_length, info, &info_length, &kind, &flags);
    if (got <= 0) return got;
    if (flags & MSG_NOTIFICATION) {
      if (!quiet) tell(into + length);
      continue;
    }
    length += got;
    if (flags & MSG_EOR || length == LONGEST) return length;
  }
}

static void close_hard(struct socket *socket) {
  struct linger hard = {1, 0};
  usrsctp_setsockopt(socket, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  usrsctp_close(socket);
}

static void close_softly(struct socket *socket, char *room, int quiet) {
  struct sctp_rcvinfo info;
  usrsctp_shutdown(socket, SHUT_WR);
  while (take(socket, room, &info, quiet) > 0);
  usrsctp_close(socket);
}

static const char *server_name;

static void *serve_one(void *given) {
  struct socket *socket = given;
  char *bytes = malloc(LONGEST), answer[80];
  struct sctp_rcvinfo info;
  long messages = 0;
  double seconds = 0;
  for (ssize_t length; (length = take(socket, bytes, &info, 0)) > 0;) {
    uint32_t ppid = ntohl(info.rcv_ppid);
    switch (bytes[0]) {
      case 'I': put(socket, server_name, strlen(server_name), info.rcv_sid, ppid, 0); break;
      case 'A': close_hard(socket); free(bytes); return NULL;
      case 'C': usrsctp_shutdown(socket, SHUT_WR); break;
      case 'Z': sleep(3); break;
      case 'S': if (messages++ == 0) seconds = now(); break;
      case 'F':
        snprintf(answer, sizeof answer, "%ld in %.3f s", messages + 1, now() - seconds);
        put(socket, answer, strlen(answer), info.rcv_sid, ppid, 0);
        break;
      default: put(socket, bytes, length, info.rcv_sid, ppid, info.rcv_flags & SCTP_UNORDERED);
    }
  }
  usrsctp_close(socket);
  free(bytes);
  return NULL;
}

static void serve(void) {
  struct socket *listener = open_socket(address);
  struct sockaddr_storage room;
  socklen_t length;
  struct sockaddr *here = place(address, port, &room, &length);
  if (usrsctp_bind(listener, here, length) < 0) die("bind");
  if (usrsctp_listen(listener, 256) < 0) die("listen");
  say("listening");
  for (;;) {
    struct socket *socket = usrsctp_accept(listener, NULL, NULL);
    pthread_t thread;
    if (socket && pthread_create(&thread, NULL, serve_one, socket) == 0) pthread_detach(thread);
  }
}

static int size_of(int n) { return SIZES[n % SIZE_COUNT]; }
static char byte_of(int n, int at) { return (char)(n * 31 + at * 7 + (at >> 8)); }

static int is_right(int n, const char *bytes, ssize_t length, const struct sctp_rcvinfo *info) {
  if (length != size_of(n) || info->rcv_sid != n % STREAMS || ntohl(info->rcv_ppid) != (uint32_t)(PPID + n)) return 0;
  if (((info->rcv_flags & SCTP_UNORDERED) != 0) != (n % 3 == 2)) return 0;
  for (int at = 5; at < length; at++) if (bytes[at] != byte_of(n, at)) return 0;
  return 1;
}

struct echo { struct socket *socket; int count; };

static void *echo_send(void *given) {
  struct echo *echo = given;
  char *bytes = malloc(LONGEST);
  for (int n = 0; n < echo->count; n++) {
    for (int at = 0; at < size_of(n); at++) bytes[at] = byte_of(n, at);
    bytes[0] = 'x';
    memcpy(bytes + 1, &n, sizeof n);
    if (put(echo->socket, bytes, size_of(n), n % STREAMS, PPID + n, n % 3 == 2) < 0) say("not sent %d: %s", n, strerror(errno));
  }
  free(bytes);
  return NULL;
}

static void echo(int count) {
  struct echo work = {dial(0), count};
  if (!work.socket) return;
  pthread_t sender;
  pthread_create(&sender, NULL, echo_send, &work);
  char *bytes = malloc(LONGEST);
  struct sctp_rcvinfo info;
  int right = 0, wrong = 0, last[STREAMS];
  for (int n = 0; n < STREAMS; n++) last[n] = -1;
  for (int got = 0; got < count; got++) {
    ssize_t length = take(work.socket, bytes, &info, 1);
    int n = -1;
    if (length <= 0) break;
    memcpy(&n, bytes + 1, sizeof n);
    int ordered = n % 3 == 2 || n > last[n % STREAMS];
    if (n >= 0 && n < count && ordered && is_right(n, bytes, length, &info)) right++;
    else wrong++;
    if (n >= 0 && n % 3 != 2) last[n % STREAMS] = n;
  }
  pthread_join(sender, NULL);
  close_softly(work.socket, bytes, 1);
  say("echoed %d of %d, wrong %d", right, count, wrong);
}

static int many_right;

static void *many_one(void *given) {
  struct socket *socket = dial(0);
  if (!socket) return NULL;
  char *bytes = malloc(LONGEST), text[40];
  struct sctp_rcvinfo info;
  int right = 1;
  for (int n = 0; n < 5 && right; n++) {
    int length = snprintf(text, sizeof text, "x association %ld message %d", (long)given, n);
    put(socket, text, length, n, n, 0);
    right = take(socket, bytes, &info, 1) == length && memcmp(bytes, text, length) == 0;
  }
  close_softly(socket, bytes, 1);
  free(bytes);
  pthread_mutex_lock(&lock);
  many_right += right;
  pthread_mutex_unlock(&lock);
  return NULL;
}

static void many(int count) {
  pthread_t *threads = malloc(count * sizeof *threads);
  for (long n = 0; n < count; n++) pthread_create(&threads[n], NULL, many_one, (void *)n);
  for (int n = 0; n < count; n++) pthread_join(threads[n], NULL);
  say("right %d of %d", many_right, count);
}

static void who(int count) {
  char *bytes = malloc(LONGEST);
  struct sctp_rcvinfo info;
  for (int n = 0; n < count; n++) {
    double begun = now();
    struct socket *socket = dial(0);
    if (!socket) continue;
    put(socket, "I", 1, 0, 0, 0);
    ssize_t length = take(socket, bytes, &info, 1);
    bytes[length > 0 ? length : 0] = 0;
    say("name %s after %.0f ms", bytes, (now() - begun) * 1000);
    close_softly(socket, bytes, 1);
  }
}

static void flood(long count, int size, int blocked) {
  struct socket *socket = dial(0);
  if (!socket) return;
  char *bytes = calloc(1, LONGEST);
  struct sctp_rcvinfo info;
  if (blocked) put(socket, "Z", 1, 0, 0, 0);
  memset(bytes, 'S', size);
  double begun = now();
  for (long n = 0; n < count; n++) {
    if (n == count - 1) bytes[0] = 'F';
    if (put(socket, bytes, size, 0, 0, 0) < 0) die("send");
  }
  ssize_t length = take(socket, bytes, &info, 1);
  bytes[length > 0 ? length : 0] = 0;
  double seconds = now() - begun;
  say("flooded %ld x %d B: %.2f MB/s; the reader counts %s", count, size, count * size / seconds / 1e6, bytes);
  close_softly(socket, bytes, 1);
}

static void order(const char *letter) {
  struct socket *socket = dial(0);
  if (!socket) return;
  char *bytes = malloc(LONGEST);
  struct sctp_rcvinfo info;
  put(socket, letter, 1, 0, 0, 0);
  while (take(socket, bytes, &info, 0) > 0);
  usrsctp_close(socket);
  say("ended");
}

static void *hold_read(void *socket) {
  char *bytes = malloc(LONGEST);
  struct sctp_rcvinfo info;
  for (ssize_t length; (length = take(socket, bytes, &info, 0)) > 0;) say("heard %.*s", (int)length, bytes);
  say("ended");
  return NULL;
}

static void hold(int local_port) {
  struct socket *socket = dial(local_port);
  if (!socket) return;
  pthread_t reader;
  pthread_create(&reader, NULL, hold_read, socket);
  char line[200];
  while (fgets(line, sizeof line, stdin)) {
    line[strcspn(line, "\n")] = 0;
    if (!strcmp(line, "die")) _exit(0);
    if (!strcmp(line, "shutdown")) usrsctp_shutdown(socket, SHUT_WR);
    else if (!strcmp(line, "abort")) close_hard(socket);
    else if (!strncmp(line, "say ", 4) && put(socket, line + 4, strlen(line + 4), 0, 0, 0) < 0) say("not sent: %s", strerror(errno));
  }
}

static void setups(int seconds) {
  char *bytes = malloc(LONGEST);
  long count = 0;
  double begun = now(), passed;
  while ((passed = now() - begun) < seconds) {
    struct socket *socket = dial(0);
    if (!socket) continue;
    close_softly(socket, bytes, 1);
    count++;
  }
  say("set up %ld in %.2f s: %.0f /s", count, passed, count / passed);
}

int main(int count, char **words) {
  if (count < 5) return 2;
  const char *does = words[1];
  int serves = !strcmp(does, "serve");
  if (serves) server_name = words[2];
  address = words[serves ? 3 : 2];
  port = atoi(words[serves ? 4 : 3]);
  usrsctp_init(0, NULL, NULL);
  // Without this the stacks of a machine answer each other's packets with ABORT.
  usrsctp_sysctl_set_sctp_blackhole(2);
  usrsctp_sysctl_set_sctp_no_csum_on_loopback(0);
  usrsctp_sysctl_set_sctp_sendspace(1 << 20);
  usrsctp_sysctl_set_sctp_recvspace(1 << 20);
  long number = atol(words[4]);
  if (serves) serve();
  else if (!strcmp(does, "echo")) echo(number);
  else if (!strcmp(does, "who")) who(number);
  else if (!strcmp(does, "many")) many(number);
  else if (!strcmp(does, "flood")) flood(number, atoi(words[5]), count > 6);
  else if (!strcmp(does, "order")) order(words[4]);
  else if (!strcmp(does, "hold")) hold(number);
  else if (!strcmp(does, "setups")) setups(number);
  else return 2;
  for (int n = 0; n < 20 && usrsctp_finish() != 0; n++) usleep(50000);
  return 0;
}
