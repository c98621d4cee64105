// SPDX-License-Identifier: Apache-2.0
// Load for a JET relay, and for plain TCP proxies by the very same loops. Every mode ends by itself and prints JSON.
//
//   jetload --relay PORT pairs N --hold           N idle pairs until the end of stdin; then each must still carry bytes
//   jetload --relay PORT pending N --wait S       N accepters; when the relay closed them, in seconds after its reply
//   jetload --relay PORT storm RATE S --pairs K   RATE connects a second to nobody while K pairs exchange 64 bytes
//   jetload --relay PORT mutate N --parallel P --seed S [--first I]
//   jetload --relay PORT bulk --streams N --seconds S [--up]
//   jetload --relay PORT rr --streams N --seconds S [--pinned]
//   jetload --relay PORT rendezvous --seconds S --parallel P
//   jetload --tcp FRONT --backend PORT pairs|bulk|rr|rendezvous ...
//
// --pid P,P,...: adds the processor time of these processes. All addresses are loopback.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <dirent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

enum { most_reply = 1024, write_size = 131072, round_trip = 64, sources = 32, most_pids = 64 };
static const uint64_t second = 1000000000ull;

static struct {
    int relay, front, backend, streams, parallel, pairs, pause;
    double seconds, wait;
    uint64_t seed, first;
    bool up, pinned, hold;
    int pids[most_pids], pid_count;
} opt = {.streams = 1, .parallel = 32, .pairs = 16, .seconds = 1.5, .wait = 30, .seed = 1};

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * second + (uint64_t)t.tv_nsec;
}

static void die(const char *what, ...) __attribute__((noreturn, format(printf, 1, 2)));
static void die(const char *what, ...) {
    char text[256];
    va_list arguments;
    va_start(arguments, what);
    vsnprintf(text, sizeof text, what, arguments);
    va_end(arguments);
    printf("{\"error\":\"%s (%s)\"}\n", text, strerror(errno));
    exit(1);
}

// ---- Chance: a stream of numbers from one seed

struct chance { uint64_t state; };

static uint64_t any(struct chance *c) {  // splitmix64
    uint64_t z = c->state += 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}
static size_t below(struct chance *c, size_t bound) { return bound ? any(c) % bound : 0; }
static void noise(struct chance *c, uint8_t *bytes, size_t count) { for (size_t i = 0; i < count; i++) bytes[i] = (uint8_t)any(c); }

static void new_uuid(struct chance *c, char text[37]) {
    uint64_t a = any(c), b = any(c);
    snprintf(text, 37, "%08x-%04x-4%03x-a%03x-%012llx", (unsigned)(a >> 32), (unsigned)(a >> 16 & 0xFFFF), (unsigned)(a & 0xFFF),
             (unsigned)(b >> 52), (unsigned long long)(b & 0xFFFFFFFFFFFFull));
}

// ---- Latencies and processor time

static uint32_t *latencies;
static size_t latency_count;
enum { most_latencies = 16000000 };

static void note(uint64_t ns) { if (latency_count < most_latencies) latencies[latency_count++] = ns > UINT32_MAX ? UINT32_MAX : (uint32_t)ns; }
static int in_order(const void *a, const void *b) { uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b; return (x > y) - (x < y); }
static void sort_latencies(void) { qsort(latencies, latency_count, sizeof *latencies, in_order); }
static double micros(double share) { return latency_count ? latencies[(size_t)(share * (double)(latency_count - 1))] / 1000.0 : 0; }

static double cpu_seconds(void) {
    double sum = 0;
    for (int i = 0; i < opt.pid_count; i++) {
        char path[64], text[1024];
        snprintf(path, sizeof path, "/proc/%d/stat", opt.pids[i]);
        FILE *file = fopen(path, "r");
        if (!file) continue;
        size_t got = fread(text, 1, sizeof text - 1, file);
        fclose(file);
        text[got] = 0;
        unsigned long long user, system;
        char *end = strrchr(text, ')');
        if (end && sscanf(end + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &system) == 2)
            sum += (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
    }
    return sum;
}

static void pin_process(int pid, const cpu_set_t *set) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *tasks = opendir(path);
    for (struct dirent *each; tasks && (each = readdir(tasks));)
        if (each->d_name[0] != '.') sched_setaffinity(atoi(each->d_name), sizeof *set, set);
    if (tasks) closedir(tasks);
}

// This process and those under --pid on one core: no luck of the wake-up placement in the figures. Before any thread starts.
static cpu_set_t unpinned;
static void pin(void) {
    if (!opt.pinned) return;
    cpu_set_t one;
    CPU_ZERO(&one);
    sched_getaffinity(0, sizeof unpinned, &unpinned);
    CPU_SET(CPU_ISSET(1, &unpinned) ? 1 : 0, &one);
    sched_setaffinity(0, sizeof one, &one);
    for (int i = 0; i < opt.pid_count; i++) pin_process(opt.pids[i], &one);
}
static void unpin(void) { for (int i = 0; opt.pinned && i < opt.pid_count; i++) pin_process(opt.pids[i], &unpinned); }

// ---- Packets

static size_t packet(uint8_t *out, const void *text, size_t length, uint8_t mask) {
    size_t size = length + 8;
    memcpy(out, (uint8_t[8]){'J', 'E', 'T', 0, (uint8_t)(size >> 8), (uint8_t)size, 0, mask}, 8);
    for (size_t i = 0; i < length; i++) out[8 + i] = ((const uint8_t *)text)[i] ^ mask;
    return size;
}

enum { text_accept, text_connect, text_accept2, text_connect2, text_test, text_kinds };

static size_t request_text(char *out, size_t room, int kind, const char *association, const char *candidate) {
    const char *keep = "Host: jetload\r\nConnection: Keep-Alive\r\n";
    switch (kind) {
    case text_accept: return (size_t)snprintf(out, room, "GET / HTTP/1.1\r\n%sJet-Method: Accept\r\nJet-Version: 1\r\n\r\n", keep);
    case text_connect:
        return (size_t)snprintf(out, room, "GET / HTTP/1.1\r\n%sJet-Method: Connect\r\nJet-Association: %s\r\nJet-Version: 1\r\n\r\n", keep,
                                association);
    case text_accept2: return (size_t)snprintf(out, room, "GET /jet/accept/%s/%s HTTP/1.1\r\n%sJet-Version: 2\r\n\r\n", association, candidate, keep);
    case text_connect2: return (size_t)snprintf(out, room, "GET /jet/connect/%s/%s HTTP/1.1\r\n%sJet-Version: 2\r\n\r\n", association, candidate, keep);
    default:
        return (size_t)snprintf(out, room, "GET /jet/test/%s/%s HTTP/1.1\r\nHost: jetload\r\nConnection: Close\r\nJet-Version: 2\r\n\r\n",
                                association, candidate);
    }
}

static size_t request(uint8_t *out, int kind, const char *association, uint8_t mask) {
    char text[512];
    return packet(out, text, request_text(text, sizeof text, kind, association, ""), mask);
}

static bool is_uuid(const char *text, size_t length) {
    if (length != 36) return false;
    for (size_t i = 0; i < 36; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text[i] != '-' : !strchr("0123456789abcdefABCDEF", text[i]) || !text[i]) return false;
    }
    return true;
}

struct reply { int status; uint8_t mask; char association[37]; bool version, timeout, instance; };

// Takes a reply apart. Its length, 0 while it is incomplete, -1 if no relay may say that.
static int read_reply(const uint8_t *bytes, size_t count, struct reply *reply) {
    memset(reply, 0, sizeof *reply);
    if (memcmp(bytes, "JET", count < 4 ? count : 4)) return -1;
    if (count < 8) return 0;
    size_t size = (size_t)bytes[4] << 8 | bytes[5];
    if (size < 8 || size > most_reply || bytes[6]) return -1;
    if (count < size) return 0;
    char text[most_reply + 1];
    size_t length = size - 8;
    reply->mask = bytes[7];
    for (size_t i = 0; i < length; i++) text[i] = (char)(bytes[8 + i] ^ bytes[7]);
    text[length] = 0;
    if (strlen(text) != length || length < 4 || strcmp(text + length - 4, "\r\n\r\n")) return -1;
    if (sscanf(text, "HTTP/1.1 %3d ", &reply->status) != 1 || reply->status < 100) return -1;
    for (char *line = strstr(text, "\r\n") + 2; line < text + length - 2;) {
        char *end = strstr(line, "\r\n"), *colon = memchr(line, ':', (size_t)(end - line));
        if (!colon || colon[1] != ' ') return -1;
        *end = 0;
        if (!strncmp(line, "Jet-Version:", 12)) reply->version = true;
        else if (!strncmp(line, "Jet-Timeout:", 12)) reply->timeout = true;
        else if (!strncmp(line, "Jet-Instance:", 13)) reply->instance = true;
        else if (!strncmp(line, "Jet-Association:", 16)) {
            if (!is_uuid(colon + 2, strlen(colon + 2))) return -1;
            memcpy(reply->association, colon + 2, 36);
        } else return -1;
        line = end + 2;
    }
    return reply->version ? (int)size : -1;
}

// ---- Sockets

static struct sockaddr_in loopback(int port) {
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

// From one of several addresses: more ports than one address has.
static int new_socket(int flags) {
    static _Atomic unsigned number;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0), yes = 1;
    if (fd < 0) return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
    struct sockaddr_in here = loopback(0);
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + number++ % sources);
    if (bind(fd, (void *)&here, sizeof here)) { close(fd); return -1; }
    return fd;
}

static void set_blocking(int fd, bool blocking) { fcntl(fd, F_SETFL, blocking ? 0 : O_NONBLOCK); }

static int dial(int port) {
    int fd = new_socket(0);
    struct timeval patience = {20, 0};
    struct sockaddr_in there = loopback(port);
    if (fd < 0) die("socket");
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(fd, (void *)&there, sizeof there)) die("connect to %d", port);
    return fd;
}

static int dial_soon(int port) {
    int fd = new_socket(SOCK_NONBLOCK);
    struct sockaddr_in there = loopback(port);
    if (fd < 0) return -1;
    if (connect(fd, (void *)&there, sizeof there) && errno != EINPROGRESS) { close(fd); return -1; }
    return fd;
}

static bool receive_all(int fd, void *into, size_t count) {
    for (size_t got = 0; got < count;) {
        ssize_t n = recv(fd, (char *)into + got, count - got, 0);
        if (n <= 0) return false;
        got += (size_t)n;
    }
    return true;
}

// The connection on which `kind` was asked and granted; its association, where the reply names one.
static int ask(int kind, char association[37]) {
    uint8_t bytes[most_reply];
    struct reply reply;
    int fd = dial(opt.relay);
    size_t count = request(bytes, kind, association, 0x73);
    if (send(fd, bytes, count, MSG_NOSIGNAL) != (ssize_t)count) die("request");
    if (!receive_all(fd, bytes, 8)) die("no reply");
    size_t size = (size_t)bytes[4] << 8 | bytes[5];
    if (size < 8 || size > most_reply || !receive_all(fd, bytes + 8, size - 8)) die("half a reply");
    if (read_reply(bytes, size, &reply) != (int)size || reply.status != 200) die("refused with %d", reply.status);
    if (kind == text_accept) memcpy(association, reply.association, 37);
    return fd;
}

static int listen_at(int port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
    struct sockaddr_in here = loopback(port);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, (void *)&here, sizeof here) || listen(fd, 4096)) die("listen on %d", port);
    return fd;
}

struct pair { int near, far; };  // the connecter, and the accepter or what the proxy dialled

static int listener = -1;

static struct pair new_pair(void) {
    struct pair pair;
    char association[37];
    if (opt.relay) {
        pair.far = ask(text_accept, association);
        pair.near = ask(text_connect, association);
        return pair;
    }
    if (listener < 0) listener = listen_at(opt.backend);
    pair.near = dial(opt.front);
    int yes = 1;
    struct timeval patience = {20, 0};
    setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if ((pair.far = accept(listener, NULL, NULL)) < 0) die("the proxy did not come");
    setsockopt(pair.far, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    return pair;
}

static struct pair *new_pairs(int count) {
    struct pair *pairs = calloc((size_t)count, sizeof *pairs);
    for (int i = 0; i < count; i++) pairs[i] = new_pair();
    return pairs;
}

static void watch(int queue, int fd, uint32_t events, uint64_t what) {
    struct epoll_event event = {.events = events, .data.u64 = what};
    if (epoll_ctl(queue, EPOLL_CTL_ADD, fd, &event)) die("epoll");
}
static void rewatch(int queue, int fd, uint32_t events, uint64_t what) {
    struct epoll_event event = {.events = events, .data.u64 = what};
    epoll_ctl(queue, EPOLL_CTL_MOD, fd, &event);
}

static void start(void *(*body)(void *), void *argument) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, body, argument)) die("thread");
    pthread_detach(thread);
}

// ---- The far ends: echo what comes, or send for ever. A thread of its own.

struct far { int queue, listener; };

static void *echo_far(void *argument) {
    struct far far = *(struct far *)argument;
    struct epoll_event events[512];
    char *bytes = malloc(65536);
    for (;;) {
        int count = epoll_wait(far.queue, events, 512, -1);
        for (int i = 0; i < count; i++) {
            int fd = (int)events[i].data.u64;
            if (fd == far.listener) {
                for (int more, k = 0, yes = 1; k < 64 && (more = accept4(fd, NULL, NULL, SOCK_NONBLOCK)) >= 0; k++) {
                    setsockopt(more, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
                    watch(far.queue, more, EPOLLIN, (uint64_t)more);
                }
                continue;
            }
            ssize_t got = recv(fd, bytes, 65536, 0);
            if (got > 0 && send(fd, bytes, (size_t)got, MSG_NOSIGNAL) == got) continue;
            if (got < 0 && errno == EAGAIN) continue;
            close(fd);
        }
    }
    return NULL;
}

static char *plenty;

static void *pour_far(void *argument) {
    int queue = ((struct far *)argument)->queue;
    struct epoll_event events[512];
    static uint32_t offsets[65536];
    for (;;) {
        int count = epoll_wait(queue, events, 512, -1);
        for (int i = 0; i < count; i++) {
            int fd = (int)events[i].data.u64;
            uint32_t *offset = &offsets[fd & 65535];
            ssize_t sent = send(fd, plenty + *offset, write_size - *offset, MSG_NOSIGNAL);
            if (sent < 0 && errno != EAGAIN) close(fd);
            if (sent > 0) *offset = (*offset + (uint32_t)sent) % write_size;
        }
    }
    return NULL;
}

static void start_far(struct pair *pairs, int count, void *(*body)(void *), bool swapped) {
    struct far *far = malloc(sizeof *far);
    *far = (struct far){epoll_create1(EPOLL_CLOEXEC), -1};
    for (int i = 0; i < count; i++) {
        int fd = swapped ? pairs[i].near : pairs[i].far;
        set_blocking(fd, false);
        watch(far->queue, fd, body == pour_far ? EPOLLOUT : EPOLLIN, (uint64_t)fd);
    }
    start(body, far);
}

// ---- bulk

static int bulk(void) {
    int count = opt.streams, queue = epoll_create1(EPOLL_CLOEXEC), dead = 0;
    struct pair *pairs = new_pairs(count);
    uint64_t *each = calloc((size_t)count, sizeof *each), bytes = 0, most = 0, least = UINT64_MAX;
    plenty = malloc(write_size);
    noise(&(struct chance){opt.seed}, (uint8_t *)plenty, write_size);
    pin();
    start_far(pairs, count, pour_far, opt.up);
    for (int i = 0; i < count; i++) {
        int fd = opt.up ? pairs[i].far : pairs[i].near;
        set_blocking(fd, false);
        watch(queue, fd, EPOLLIN, (uint64_t)i);
    }
    char *into = malloc(262144);
    uint64_t begin = now() + second * 2 / 5, end = begin + (uint64_t)(opt.seconds * 1e9), t;
    double before = 0;
    bool counting = false;
    struct epoll_event events[64];
    for (;;) {
        int ready = epoll_wait(queue, events, 64, 50);
        t = now();
        if (!counting && t >= begin) {
            counting = true;
            begin = t, end = t + (uint64_t)(opt.seconds * 1e9), bytes = 0, before = cpu_seconds();
            memset(each, 0, (size_t)count * sizeof *each);
        }
        if (t >= end) break;
        for (int k = 0; k < ready; k++) {
            int i = (int)events[k].data.u64, fd = opt.up ? pairs[i].far : pairs[i].near;
            ssize_t got = recv(fd, into, 131072, 0);
            if (got > 0) bytes += (uint64_t)got, each[i] += (uint64_t)got;
            else if (got == 0 || errno != EAGAIN) epoll_ctl(queue, EPOLL_CTL_DEL, fd, NULL), dead++;
        }
    }
    double cpu = cpu_seconds() - before, elapsed = (double)(t - begin) / 1e9, gigabytes = (double)bytes / 1e9;
    unpin();
    for (int i = 0; i < count; i++) { if (each[i] < least) least = each[i]; if (each[i] > most) most = each[i]; }
    printf("{\"GBps\":%.4f,\"bytes\":%llu,\"seconds\":%.3f,\"cpu\":%.3f,\"cpu_per_GB\":%.4f,\"streams\":%d,\"dead\":%d,\"least\":%llu,\"most\":%llu}\n",
           gigabytes / elapsed, (unsigned long long)bytes, elapsed, cpu, bytes ? cpu / gigabytes : 0, count, dead,
           (unsigned long long)least, (unsigned long long)most);
    return dead != 0;
}

// ---- rr

static void print_rounds(size_t count, double elapsed, double cpu, int dead) {
    sort_latencies();
    printf("{\"rps\":%.1f,\"p50us\":%.1f,\"p99us\":%.1f,\"p999us\":%.1f,\"cpu_us\":%.3f,\"streams\":%d,\"dead\":%d}\n", (double)count / elapsed,
           micros(.5), micros(.99), micros(.999), count ? cpu * 1e6 / (double)count : 0, opt.streams, dead);
}

static int one_round_trip_at_a_time(int fd) {
    char bytes[round_trip] = "jetload";
    for (int i = 0; i < 200; i++)
        if (send(fd, bytes, round_trip, MSG_NOSIGNAL) != round_trip || !receive_all(fd, bytes, round_trip)) die("round trip");
    uint64_t begin = now(), end = begin + (uint64_t)(opt.seconds * 1e9), t = begin;
    double before = cpu_seconds();
    size_t count = 0;
    for (; t < end; count++) {
        if (send(fd, bytes, round_trip, MSG_NOSIGNAL) != round_trip || !receive_all(fd, bytes, round_trip)) die("round trip");
        uint64_t u = now();
        note(u - t);
        t = u;
    }
    double cpu = cpu_seconds() - before;
    unpin();
    print_rounds(count, (double)(t - begin) / 1e9, cpu, 0);
    return 0;
}

struct pinger { uint64_t sent, due; size_t got; };

// Round trips on all pairs at once, each as soon as the one before is over (or `--pause` µs after it). How many were counted.
static size_t ping(struct pair *pairs, int count, double seconds, double *elapsed, double *cpu, int *dead) {
    int queue = epoll_create1(EPOLL_CLOEXEC);
    struct pinger *pingers = calloc((size_t)count, sizeof *pingers);
    char bytes[round_trip] = "jetload", into[65536];
    for (int i = 0; i < count; i++) {
        set_blocking(pairs[i].near, false);
        watch(queue, pairs[i].near, EPOLLIN, (uint64_t)i);
        pingers[i].sent = now();
        send(pairs[i].near, bytes, round_trip, MSG_NOSIGNAL);
    }
    uint64_t begin = now() + second / 5, end = begin + second, t = now();
    bool counting = false;
    size_t rounds = 0;
    struct epoll_event events[64];
    while (!counting || t < end) {
        struct timespec patience = {0, opt.pause ? 50000 : 50000000};
        int ready = epoll_pwait2(queue, events, 64, &patience, NULL);
        t = now();
        if (!counting && t >= begin) counting = true, begin = t, end = t + (uint64_t)(seconds * 1e9), rounds = 0, latency_count = 0, *cpu = cpu_seconds();
        for (int k = 0; k < ready; k++) {
            int i = (int)events[k].data.u64;
            struct pinger *p = &pingers[i];
            ssize_t got = recv(pairs[i].near, into, sizeof into, 0);
            if (got > 0 && (p->got += (size_t)got) >= round_trip) {
                uint64_t u = now();
                note(u - p->sent);
                rounds++, p->got = 0, p->sent = u, p->due = u + (uint64_t)opt.pause * 1000;
                if (!opt.pause) send(pairs[i].near, bytes, round_trip, MSG_NOSIGNAL);
            } else if (got == 0 || (got < 0 && errno != EAGAIN)) epoll_ctl(queue, EPOLL_CTL_DEL, pairs[i].near, NULL), ++*dead, p->due = 0;
        }
        for (int i = 0; opt.pause && i < count; i++)
            if (pingers[i].due && pingers[i].due <= (t = now())) pingers[i].due = 0, pingers[i].sent = t, send(pairs[i].near, bytes, round_trip, MSG_NOSIGNAL);
    }
    *elapsed = (double)(t - begin) / 1e9;
    *cpu = cpu_seconds() - *cpu;
    return rounds;
}

static int rr(void) {
    struct pair *pairs = new_pairs(opt.streams);
    pin();
    start_far(pairs, opt.streams, echo_far, false);
    if (opt.streams == 1) return one_round_trip_at_a_time(pairs[0].near);
    double elapsed, cpu;
    int dead = 0;
    size_t rounds = ping(pairs, opt.streams, opt.seconds, &elapsed, &cpu, &dead);
    unpin();
    print_rounds(rounds, elapsed, cpu, dead);
    return dead != 0;
}

// ---- pairs

static int hold_pairs(int count) {
    uint64_t begin = now();
    struct pair *pairs = new_pairs(count);
    char there[round_trip], back[round_trip], byte;
    int broken = 0;
    printf("{\"ready\":%d,\"seconds\":%.2f}\n", count, (double)(now() - begin) / 1e9);
    fflush(stdout);
    while (opt.hold && read(0, &byte, 1) > 0) {}
    struct chance chance = {opt.seed};
    for (int i = 0; i < 2 * count; i++) {
        struct pair p = i < count ? pairs[i] : (struct pair){pairs[i - count].far, pairs[i - count].near};
        noise(&chance, (uint8_t *)there, round_trip);
        broken += send(p.near, there, round_trip, MSG_NOSIGNAL) != round_trip || !receive_all(p.far, back, round_trip) || memcmp(there, back, round_trip);
    }
    printf("{\"pairs\":%d,\"broken\":%d}\n", count, broken);
    return broken != 0;
}

// ---- pending

struct waiter { int fd; uint64_t since, closed; bool reset, spoke; };

static void look_for_ends(int queue, struct waiter *waiters, int patience, int *open) {
    struct epoll_event events[512];
    int ready = epoll_wait(queue, events, 512, patience);
    for (int k = 0; k < ready; k++) {
        struct waiter *w = &waiters[events[k].data.u64];
        char byte;
        ssize_t got = recv(w->fd, &byte, 1, MSG_DONTWAIT);
        if (got > 0) { w->spoke = true; continue; }
        if (got < 0 && errno == EAGAIN) continue;
        w->reset = got < 0, w->closed = now(), --*open;
        close(w->fd);
    }
}

static int by_time(const void *a, const void *b) { double x = *(const double *)a, y = *(const double *)b; return (x > y) - (x < y); }

static int pending(int count) {
    struct waiter *waiters = calloc((size_t)count, sizeof *waiters);
    int queue = epoll_create1(EPOLL_CLOEXEC), open = 0, resets = 0, spoke = 0, closed = 0;
    uint64_t begin = now();
    for (int i = 0; i < count; i++) {
        char association[37];
        waiters[i].fd = ask(text_accept, association), waiters[i].since = now(), open++;
        watch(queue, waiters[i].fd, EPOLLIN, (uint64_t)i);
        if (i % 64 == 63) look_for_ends(queue, waiters, 0, &open);
    }
    double opening = (double)(now() - begin) / 1e9, *times = calloc((size_t)count, sizeof *times);
    printf("{\"ready\":%d,\"seconds\":%.2f}\n", count, opening);
    fflush(stdout);
    for (uint64_t end = now() + (uint64_t)(opt.wait * 1e9); open && now() < end;) look_for_ends(queue, waiters, 100, &open);
    for (int i = 0; i < count; i++) {
        resets += waiters[i].reset, spoke += waiters[i].spoke;
        if (waiters[i].closed) times[closed++] = (double)(waiters[i].closed - waiters[i].since) / 1e9;
    }
    qsort(times, (size_t)closed, sizeof *times, by_time);
    printf("{\"pending\":%d,\"closed\":%d,\"open\":%d,\"resets\":%d,\"spoke\":%d,\"min\":%.3f,\"median\":%.3f,\"max\":%.3f}\n", count, closed, open,
           resets, spoke, closed ? times[0] : 0, closed ? times[closed / 2] : 0, closed ? times[closed - 1] : 0);
    return open != 0;
}

// ---- storm

struct gust { int fd; bool asked; uint64_t since; size_t got; uint8_t in[most_reply + 1]; };
static struct { _Atomic long begun, right, wrong, late, failed; _Atomic bool over, done; double rate; } storm;
enum { most_gusts = 8192 };

static bool is_404(struct gust *g) {
    struct reply reply;
    return read_reply(g->in, g->got, &reply) == (int)g->got && reply.status == 404 && reply.mask == 0x73;
}

// One step of a connect that nobody waits for; whether it is over.
static bool blow(int queue, struct gust *g, uint64_t slot, struct chance *chance) {
    if (!g->asked) {
        char association[37];
        uint8_t bytes[most_reply];
        new_uuid(chance, association);
        size_t count = request(bytes, text_connect, association, 0x73);
        if (send(g->fd, bytes, count, MSG_NOSIGNAL) != (ssize_t)count) { storm.failed++; return true; }
        g->asked = true;
        rewatch(queue, g->fd, EPOLLIN, slot);
        return false;
    }
    ssize_t got = recv(g->fd, g->in + g->got, sizeof g->in - g->got, 0);
    if (got < 0 && errno == EAGAIN) return false;
    if (got > 0 && (g->got += (size_t)got) < sizeof g->in) return false;
    if (got == 0 && is_404(g)) storm.right++;
    else storm.wrong++;
    return true;
}

static void *blow_storm(void *unused) {
    (void)unused;
    struct gust *gusts = calloc(most_gusts, sizeof *gusts);
    int queue = epoll_create1(EPOLL_CLOEXEC), *idle = calloc(most_gusts, sizeof *idle), idle_count = 0;
    for (int i = most_gusts - 1; i >= 0; i--) gusts[i].fd = -1, idle[idle_count++] = i;
    struct chance chance = {opt.seed};
    struct epoll_event events[256];
    uint64_t begin = now();
    long made = 0;
    while (!storm.over || idle_count < most_gusts) {
        uint64_t t = now();
        long due = (long)((double)(t - begin) / 1e9 * storm.rate);
        for (; !storm.over && made < due && idle_count; made++) {
            int slot = idle[idle_count - 1], fd = dial_soon(opt.relay);
            if (fd < 0) { storm.failed++; continue; }
            gusts[slot] = (struct gust){.fd = fd, .since = t};
            idle_count--, storm.begun++;
            watch(queue, fd, EPOLLOUT, (uint64_t)slot);
        }
        int ready = epoll_wait(queue, events, 256, 1);
        for (int k = 0; k < ready; k++) {
            int slot = (int)events[k].data.u64;
            if (!blow(queue, &gusts[slot], (uint64_t)slot, &chance)) continue;
            close(gusts[slot].fd);
            gusts[slot].fd = -1, idle[idle_count++] = slot;
        }
        for (int i = 0; i < most_gusts; i++)
            if (storm.over && gusts[i].fd >= 0 && now() - gusts[i].since > 15 * second)
                close(gusts[i].fd), gusts[i].fd = -1, idle[idle_count++] = i, storm.late++;
    }
    storm.done = true;
    return NULL;
}

static int run_storm(double rate, double seconds) {
    struct pair *pairs = new_pairs(opt.pairs);
    start_far(pairs, opt.pairs, echo_far, false);
    storm.rate = rate;
    if (rate > 0) start(blow_storm, NULL);
    double elapsed, cpu;
    int dead = 0;
    size_t rounds = ping(pairs, opt.pairs, seconds, &elapsed, &cpu, &dead);
    storm.over = true;
    for (uint64_t end = now() + 20 * second; rate > 0 && !storm.done && now() < end;) usleep(1000);
    sort_latencies();
    long bad = storm.wrong + storm.late + storm.failed;
    printf("{\"rate\":%.0f,\"begun\":%ld,\"right\":%ld,\"wrong\":%ld,\"late\":%ld,\"failed\":%ld,\"pairs\":%d,\"dead\":%d,\"rps\":%.0f,\"p50us\":%.1f,"
           "\"p99us\":%.1f,\"p999us\":%.1f,\"cpu\":%.3f}\n", rate, storm.begun, storm.right, storm.wrong, storm.late, storm.failed, opt.pairs, dead,
           (double)rounds / elapsed, micros(.5), micros(.99), micros(.999), cpu);
    return bad || dead;
}

// ---- mutate

enum { kind_valid, kind_bits, kind_truncated, kind_size, kind_signature, kind_body, kind_headers, kind_mask, kind_surplus, kind_text, kind_noise, kind_count };
static const char *const kind_names[] = {"valid", "bits", "truncated", "size", "signature", "body", "headers", "mask", "surplus", "text", "noise"};
enum { most_packet = 65535 + 4096 };

static size_t replace(char *text, size_t room, const char *old, const char *new) {
    char *at = strstr(text, old);
    if (!at || strlen(text) + strlen(new) >= room) return strlen(text);
    memmove(at + strlen(new), at + strlen(old), strlen(at + strlen(old)) + 1);
    memcpy(at, new, strlen(new));
    return strlen(text);
}

// The headers of a request again, some of them many times and with other values, before or behind the first ones.
static size_t repeat_headers(struct chance *c, char *text, size_t room) {
    static const char *const more[] = {"Host: other\r\n", "Jet-Version: 1\r\n", "Jet-Version: 2\r\n", "Jet-Version: 99\r\n", "jet-version: 1\r\n",
        "Jet-Method: Accept\r\n", "Jet-Method: Connect\r\n", "JET-METHOD: accept\r\n", "Jet-Association: 00000000-0000-4000-a000-000000000000\r\n",
        "Jet-Association: none\r\n", "X: y\r\n", "Connection: Close\r\n", "Content-Length: 5\r\n", "Jet-Timeout: 1\r\n"};
    char *place = strstr(text, below(c, 2) ? "Jet-Version" : "Host");
    size_t count = 1 + below(c, below(c, 4) ? 6 : 40);
    for (size_t i = 0; place && i < count; i++) {
        const char *line = more[below(c, sizeof more / sizeof *more)];
        size_t length = strlen(line);
        if (strlen(text) + length + 1 >= room) break;
        memmove(place + length, place, strlen(place) + 1);
        memcpy(place, line, length);
    }
    return strlen(text);
}

static size_t odd_text(struct chance *c, char *text, size_t room) {
    static const char *const pairs[][2] = {
        {"GET", "get"}, {"GET", "POST"}, {"HTTP/1.1", "HTTP/1.0"}, {"HTTP/1.1", "HTTP/2.0"}, {"HTTP/1.1", ""}, {"Host:", "Hos:"}, {"Host: ", "Host:"},
        {"Host: jetload", "Host: "}, {"Jet-Version: 1", "Jet-Version: 3"}, {"Jet-Version: 1", "Jet-Version: 4294967296"}, {"Jet-Version: 1", "Jet-Version: -1"},
        {"Jet-Version: 1", "Jet-Version: +0001"}, {"Jet-Version: 2", "Jet-Version: 7"}, {"Jet-Version: 2", "Jet-Version: 1"}, {"Jet-Version: 1", "Jet-Version: 2"},
        {"Jet-Version: ", "Jet-Version:\t"}, {"Jet-Version: 1", "Jet-Version: 1 "}, {"Jet-Method: Accept", "Jet-Method: ACCEPT"}, {"Accept", "Test"},
        {"Jet-Method", "Jet-Verb"}, {"Connect\r\n", "Connect \r\n"}, {"/jet/", "/JET/"}, {"/jet/", "/jet//"}, {"/jet/", "/../"}, {"GET /", "GET  /"},
        {"GET /", "\r\nGET /"}, {"\r\n\r\n", "\r\n"}, {"\r\n\r\n", ""}, {"\r\n", "\n"}, {"\r\n", "\r"}, {"Connection", "Connec\ttion"}, {"Jet-", " Jet-"},
        {"Keep-Alive", "Keep\x01"}, {"Keep-Alive", "\xC3\xA9t\xC3\xA9"}, {"Keep-Alive", "\xFF\xFE"}, {" HTTP", "?a=b HTTP"}, {"-", "{"}, {"-4", "4"}};
    for (size_t i = 0, count = 1 + below(c, 3); i < count; i++) {
        const char *const *change = pairs[below(c, sizeof pairs / sizeof *pairs)];
        replace(text, room, change[0], change[1]);
    }
    return strlen(text);
}

// One packet of the series: always the same for the same seed and index.
static size_t mutate_one(struct chance *c, uint8_t *out, int *kind) {
    static const uint8_t masks[] = {0, 0x73, 0x73, 0xFF, 0x20, 0x0A};
    char text[16384], association[37], candidate[37];
    new_uuid(c, association), new_uuid(c, candidate);
    size_t length = request_text(text, sizeof text, (int)below(c, text_kinds), association, candidate);
    uint8_t mask = below(c, 3) ? masks[below(c, sizeof masks)] : (uint8_t)any(c);
    *kind = (int)below(c, kind_count);
    if (*kind == kind_headers) length = repeat_headers(c, text, sizeof text);
    if (*kind == kind_text) length = odd_text(c, text, sizeof text);
    size_t size = packet(out, text, length, mask), claimed;
    switch (*kind) {
    case kind_bits: for (size_t i = 0, n = 1 + below(c, 8); i < n; i++) out[below(c, size)] ^= (uint8_t)(1 << below(c, 8)); break;
    case kind_truncated: return below(c, size);
    case kind_size:
        claimed = (size_t[]){below(c, 8), size - 1 - below(c, 40), size + 1 + below(c, 40), 65535, below(c, 65536)}[below(c, 5)];
        out[4] = (uint8_t)(claimed >> 8), out[5] = (uint8_t)claimed;
        break;
    case kind_signature: {
        static const char *const others[] = {"JMUX", "JET\x01", "jet", "GET ", "SSH-", "\x16\x03\x01\x02", "JE\0T", "\0JET"};
        if (below(c, 2)) memcpy(out, others[below(c, 8)], 4);
        else out[below(c, 4)] ^= (uint8_t)(1 + below(c, 255));
        break;
    }
    case kind_body:
        length = below(c, 8) ? below(c, 2000) : 65527 - below(c, 2000);
        noise(c, out + 8, length), size = length + 8, out[4] = (uint8_t)(size >> 8), out[5] = (uint8_t)size;
        if (below(c, 2)) for (size_t i = 8; i < size; i++) out[i] = (uint8_t)((0x20 + out[i] % 95) ^ mask);
        break;
    case kind_mask: out[7] ^= (uint8_t)(1 + below(c, 255)); break;
    case kind_surplus: length = 1 + below(c, below(c, 8) ? 600 : 4000), noise(c, out + size, length), size += length; break;
    case kind_noise: size = below(c, 300), noise(c, out, size); break;
    default: break;
    }
    return size;
}

struct judged { bool host; int method, version; char association[37]; };

static bool one_header(char *line, struct judged *j, bool seen[4]) {
    char *colon = strstr(line, ": ");
    if (!colon || colon == line || !colon[2] || colon[2] == ' ' || line[strlen(line) - 1] == ' ') return false;
    for (char *at = line; at < colon; at++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-", *at)) return false;
    *colon = 0;
    const char *value = colon + 2;
    static const char *const names[] = {"Host", "Jet-Version", "Jet-Method", "Jet-Association"};
    int which = 0;
    while (which < 4 && strcasecmp(line, names[which])) which++;
    if (which == 4 || seen[which]) return true;  // unknown, or not the first of its name
    seen[which] = true;
    if (which == 0) j->host = true;
    if (which == 1) {
        if (strlen(value) > 9 || strspn(value, "0123456789") != strlen(value) || (value[0] == '0' && value[1])) return false;
        j->version = atoi(value);
    }
    if (which == 2) j->method = !strcasecmp(value, "Accept") ? 1 : !strcasecmp(value, "Connect") ? 2 : 0;
    if (which == 3) memcpy(j->association, is_uuid(value, strlen(value)) ? value : "", is_uuid(value, strlen(value)) ? 36 : 1);
    return true;
}

static int judged_path(const char *path, const struct judged *j) {
    if (!j->host || j->version < 0) return -1;
    if (!strcmp(path, "/")) {
        if (j->version != 1) return -1;
        return j->method == 1 ? 200 : j->method == 2 && j->association[0] ? 404 : -1;
    }
    static const char *const calls[] = {"/jet/accept/", "/jet/connect/", "/jet/test/"};
    for (int i = 0; i < 3; i++) {
        size_t length = strlen(calls[i]);
        if (strncmp(path, calls[i], length)) continue;
        if (strlen(path) != length + 73 || !is_uuid(path + length, 36) || path[length + 36] != '/' || !is_uuid(path + length + 37, 36)) return -1;
        if (i == 2) return j->version == 2 ? 200 : -1;
        return j->version == 1 ? -1 : j->version != 2 || i == 0 ? 400 : 404;
    }
    return -1;
}

// What the relay must answer: a status, 0 for closing without a word, -1 where this plain reader cannot tell.
// It knows only what every reader of the protocol takes: one request in its proper form, whatever follows it.
static int expected(const uint8_t *bytes, size_t count, bool *accepts) {
    *accepts = false;
    if (count < 8 || memcmp(bytes, "JET", 4)) return 0;
    size_t size = (size_t)bytes[4] << 8 | bytes[5];
    if (size < 8 || size > count) return 0;
    static char text[65536];
    for (size_t i = 8; i < size; i++) {
        text[i - 8] = (char)(bytes[i] ^ bytes[7]);
        uint8_t byte = (uint8_t)text[i - 8];
        if (byte > 0x7E || (byte < 0x20 && byte != '\r' && byte != '\n')) return -1;
    }
    text[size - 8] = 0;
    char *end = strstr(text, "\r\n\r\n"), *line = strstr(text, "\r\n"), *path = text + 4;
    if (!end || strncmp(text, "GET /", 5)) return -1;
    end[2] = 0, *line = 0;
    char *version = strchr(path, ' ');
    if (!version || strcmp(version, " HTTP/1.1")) return -1;
    *version = 0;
    struct judged judged = {.version = -1};
    bool seen[4] = {false};
    int headers = 0;
    for (line += 2; *line; headers++) {
        char *stop = strstr(line, "\r\n");
        if (!stop || headers == 16) return -1;
        *stop = 0;
        if (strpbrk(line, "\r\n") || !one_header(line, &judged, seen)) return -1;
        line = stop + 2;
    }
    *accepts = !strcmp(path, "/") && judged.method == 1;
    return judged_path(path, &judged);
}

struct probe {
    int fd, kind, expected;
    bool accepts, connected, ended;
    uint8_t mask;
    uint64_t index, deadline;
    size_t size, cut, sent, got;  // `cut`: where the first of two parts ends
    uint8_t in[most_reply + 1], out[most_packet];
};
static struct { long closed, resets, http, statuses[1000], known, errors, split; long kinds[kind_count][2]; char examples[2048]; } tally;

static void blame(const struct probe *p, const char *what) {
    if (tally.errors++ >= 5) return;
    size_t used = strlen(tally.examples);
    snprintf(tally.examples + used, sizeof tally.examples - used, "%s{\"index\":%llu,\"kind\":\"%s\",\"fault\":\"%s\",\"expected\":%d,\"got\":%zu}", used ? "," : "",
             (unsigned long long)p->index, kind_names[p->kind], what, p->expected, p->got);
}

// The relay's port takes HTTP calls too: a refusal to what begins with a method is as good as none.
static bool is_http_refusal(const struct probe *p) {
    const char *end = memmem(p->in, p->got, "\r\n\r\n", 4);
    return p->size && p->out[0] >= 'A' && p->out[0] <= 'Z' && p->got > 12 && !memcmp(p->in, "HTTP/1.1 4", 10) && end;
}

// The verdict on one connection that is over.
static void judge(struct probe *p, bool reset) {
    struct reply reply;
    tally.kinds[p->kind][p->got > 0]++;
    tally.known += p->expected >= 0;
    if (!p->got) {
        tally.closed++, tally.resets += reset;
        if (p->expected > 0) blame(p, "no reply");
        return;
    }
    if (p->expected == 0 && is_http_refusal(p)) { tally.http++; return; }
    if (read_reply(p->in, p->got, &reply) != (int)p->got) return blame(p, "malformed reply");
    tally.statuses[reply.status]++;
    if (reply.status != 200 && reply.status != 400 && reply.status != 404) return blame(p, "odd status");
    if (reply.mask != p->mask) return blame(p, "wrong mask");
    if (p->expected >= 0 && reply.status != p->expected) return blame(p, p->expected ? "wrong status" : "reply to what is no packet");
    if (p->expected == 200 && p->accepts && !(reply.association[0] && reply.timeout && reply.instance)) return blame(p, "a header is missing");
}

static bool open_probe(int queue, struct probe *p, uint64_t slot, uint64_t index) {
    struct chance chance = {opt.seed * 0x2545F4914F6CDD1Dull + index * 0xD1342543DE82EF95ull};
    p->index = index, p->sent = p->got = 0, p->deadline = now() + 15 * second, p->ended = p->connected = false;
    p->size = mutate_one(&chance, p->out, &p->kind);
    p->expected = expected(p->out, p->size, &p->accepts);
    p->mask = p->size > 7 ? p->out[7] : 0;
    p->cut = p->size;
    if (p->size > 1 && !below(&chance, 4)) p->cut = 1 + below(&chance, p->size - 1), tally.split++;
    if ((p->fd = dial_soon(opt.relay)) < 0) return false;
    watch(queue, p->fd, EPOLLOUT, slot);
    return true;
}

// One step: sends the first part, the second, the end of sending; then reads until the end. Whether it is over.
static bool step_probe(int queue, struct probe *p, uint64_t slot) {
    int fault = 0;
    if (!p->connected && getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &fault, &(socklen_t){sizeof fault}) == 0 && fault) {
        blame(p, "no connection");
        return true;
    }
    p->connected = true;
    if (!p->ended) {
        ssize_t sent = p->sent < p->size ? send(p->fd, p->out + p->sent, (p->sent < p->cut ? p->cut : p->size) - p->sent, MSG_NOSIGNAL) : 0;
        if (sent > 0) p->sent += (size_t)sent;
        if (sent >= 0 ? p->sent < p->size : errno == EAGAIN) return false;
        shutdown(p->fd, SHUT_WR);  // or the relay has already closed: what it said is still to be read
        p->ended = true;
        rewatch(queue, p->fd, EPOLLIN, slot);
        return false;
    }
    ssize_t got = recv(p->fd, p->in + p->got, sizeof p->in - p->got, 0);
    if (got < 0 && errno == EAGAIN) return false;
    if (got > 0 && (p->got += (size_t)got) < sizeof p->in) return false;
    judge(p, got < 0);
    return true;
}

static int mutate(uint64_t count) {
    int queue = epoll_create1(EPOLL_CLOEXEC), active = 0, parallel = opt.parallel;
    struct probe *probes = calloc((size_t)parallel, sizeof *probes);
    uint64_t next = opt.first, last = opt.first + count, begin = now(), looked = begin;
    struct epoll_event events[256];
    for (int i = 0; i < parallel; i++) probes[i].fd = -1;
    while (active || next < last) {
        for (int i = 0; next < last && active < parallel && i < parallel; i++) {
            if (probes[i].fd >= 0) continue;
            if (!open_probe(queue, &probes[i], (uint64_t)i, next++)) die("connection %llu", (unsigned long long)next);
            active++;
        }
        int ready = epoll_wait(queue, events, 256, 100);
        for (int k = 0; k < ready; k++) {
            struct probe *p = &probes[events[k].data.u64];
            if (!step_probe(queue, p, events[k].data.u64)) continue;
            close(p->fd);
            p->fd = -1, active--;
        }
        if (now() - looked < second / 2) continue;
        looked = now();
        for (int i = 0; i < parallel; i++) {
            if (probes[i].fd < 0 || probes[i].deadline > looked) continue;
            blame(&probes[i], "no end within 15 s");
            close(probes[i].fd);
            probes[i].fd = -1, active--;
        }
    }
    printf("{\"packets\":%llu,\"seconds\":%.1f,\"errors\":%ld,\"known\":%ld,\"split\":%ld,\"closed\":%ld,\"resets\":%ld,\"http\":%ld,\"statuses\":{",
           (unsigned long long)count, (double)(now() - begin) / 1e9, tally.errors, tally.known, tally.split, tally.closed, tally.resets, tally.http);
    for (int i = 0, some = 0; i < 1000; i++) if (tally.statuses[i]) printf("%s\"%d\":%ld", some++ ? "," : "", i, tally.statuses[i]);
    printf("},\"kinds\":{");
    for (int i = 0; i < kind_count; i++) printf("%s\"%s\":{\"closed\":%ld,\"answered\":%ld}", i ? "," : "", kind_names[i], tally.kinds[i][0], tally.kinds[i][1]);
    printf("},\"examples\":[%s]}\n", tally.examples);
    return tally.errors != 0;
}

// ---- rendezvous: accept, connect, a byte each way, close; over a proxy: connect, a byte each way, close

enum stage { stage_far_dial, stage_far_reply, stage_near_dial, stage_near_reply, stage_byte_there, stage_byte_back };
struct meeting { struct pair pair; enum stage stage; uint64_t since; size_t got; char association[37]; uint8_t in[most_reply]; };

static int ask_soon(int fd, int kind, const char *association) {
    uint8_t bytes[most_reply];
    size_t count = request(bytes, kind, association, 0x73);
    return send(fd, bytes, count, MSG_NOSIGNAL) == (ssize_t)count ? 0 : -1;
}

// The reply as far as it is there: 1 once it grants, 0 while it is incomplete, -1 for anything else.
static int reply_soon(int fd, struct meeting *m, struct reply *reply) {
    ssize_t got = recv(fd, m->in + m->got, sizeof m->in - m->got, 0);
    if (got <= 0) return got < 0 && errno == EAGAIN ? 0 : -1;
    m->got += (size_t)got;
    int size = read_reply(m->in, m->got, reply);
    if (size <= 0) return size;
    if ((size_t)size != m->got || reply->status != 200) return -1;
    m->got = 0;
    return 1;
}

static int begin_meeting(int queue, struct meeting *m, uint64_t slot) {
    bool relay = opt.relay != 0;
    int fd = dial_soon(relay ? opt.relay : opt.front);
    *m = (struct meeting){.pair = {relay ? -1 : fd, relay ? fd : -1}, .stage = relay ? stage_far_dial : stage_near_dial, .since = now()};
    if (fd < 0) return -1;
    watch(queue, fd, EPOLLOUT, slot << 1 | !relay);
    return 0;
}

// One step; 1 when both bytes are there, -1 after a failure.
static int step_meeting(int queue, struct meeting *m, uint64_t slot, bool near) {
    struct reply reply;
    char byte;
    int answer;
    switch (m->stage) {
    case stage_far_dial:
        rewatch(queue, m->pair.far, EPOLLIN, slot << 1);
        m->stage = stage_far_reply;
        return ask_soon(m->pair.far, text_accept, "");
    case stage_far_reply:
        if ((answer = reply_soon(m->pair.far, m, &reply)) <= 0) return answer;
        memcpy(m->association, reply.association, 37);
        if ((m->pair.near = dial_soon(opt.relay)) < 0) return -1;
        watch(queue, m->pair.near, EPOLLOUT, slot << 1 | 1);
        m->stage = stage_near_dial;
        return 0;
    case stage_near_dial:
        if (!near) return -1;
        rewatch(queue, m->pair.near, EPOLLIN, slot << 1 | 1);
        m->stage = opt.relay ? stage_near_reply : stage_byte_back;
        return opt.relay ? ask_soon(m->pair.near, text_connect, m->association) : send(m->pair.near, "n", 1, MSG_NOSIGNAL) == 1 ? 0 : -1;
    case stage_near_reply:
        if (!near) return -1;
        if ((answer = reply_soon(m->pair.near, m, &reply)) <= 0) return answer;
        m->stage = stage_byte_there;
        return send(m->pair.near, "n", 1, MSG_NOSIGNAL) == 1 ? 0 : -1;
    case stage_byte_there:
        if (near || recv(m->pair.far, &byte, 1, 0) != 1 || byte != 'n') return -1;
        m->stage = stage_byte_back;
        return send(m->pair.far, "f", 1, MSG_NOSIGNAL) == 1 ? 0 : -1;
    case stage_byte_back:
        return near && recv(m->pair.near, &byte, 1, 0) == 1 && byte == (opt.relay ? 'f' : 'n') ? 1 : -1;
    }
    return -1;
}

static void end_meeting(struct meeting *m) {
    if (m->pair.near >= 0) close(m->pair.near);
    if (m->pair.far >= 0) close(m->pair.far);
    m->pair = (struct pair){-1, -1};
}

static int rendezvous(void) {
    int queue = epoll_create1(EPOLL_CLOEXEC), parallel = opt.parallel;
    struct meeting *meetings = calloc((size_t)parallel, sizeof *meetings);
    if (!opt.relay) {
        struct far *far = malloc(sizeof *far);
        *far = (struct far){epoll_create1(EPOLL_CLOEXEC), listen_at(opt.backend)};
        set_blocking(far->listener, false);
        watch(far->queue, far->listener, EPOLLIN, (uint64_t)far->listener);
        start(echo_far, far);
    }
    uint64_t begin = now() + second / 5, end = begin + second, t;
    long count = 0, errors = 0;
    double before = 0;
    bool counting = false;
    for (int i = 0; i < parallel; i++) if (begin_meeting(queue, &meetings[i], (uint64_t)i)) die("first connections");
    struct epoll_event events[256];
    for (;;) {
        int ready = epoll_wait(queue, events, 256, 20);
        t = now();
        if (!counting && t >= begin) counting = true, begin = t, end = t + (uint64_t)(opt.seconds * 1e9), count = errors = 0, latency_count = 0, before = cpu_seconds();
        if (counting && t >= end) break;
        for (int k = 0; k < ready; k++) {
            uint64_t slot = events[k].data.u64 >> 1;
            bool near = events[k].data.u64 & 1;
            struct meeting *m = &meetings[slot];
            if ((near ? m->pair.near : m->pair.far) < 0) continue;  // ended earlier in this round
            int step = step_meeting(queue, m, slot, near);
            if (!step) continue;
            if (step > 0) count++, note(now() - m->since);
            else errors++;
            end_meeting(m);
            m->since = 0;
        }
        for (int i = 0; i < parallel; i++) {
            if (meetings[i].since && t < meetings[i].since + 5 * second) continue;
            if (meetings[i].since) errors++, end_meeting(&meetings[i]);
            if (begin_meeting(queue, &meetings[i], (uint64_t)i)) errors++, meetings[i].since = 0;
        }
    }
    double cpu = cpu_seconds() - before, elapsed = (double)(t - begin) / 1e9;
    sort_latencies();
    printf("{\"pairs_per_s\":%.1f,\"errors\":%ld,\"p50us\":%.1f,\"p99us\":%.1f,\"cpu_us\":%.2f}\n", (double)count / elapsed, errors, micros(.5), micros(.99),
           count ? cpu * 1e6 / (double)count : 0);
    return errors != 0;
}

// ---- The command line

static void read_pids(char *text) {
    for (char *each = strtok(text, ","); each && opt.pid_count < most_pids; each = strtok(NULL, ",")) opt.pids[opt.pid_count++] = atoi(each);
}

static int usage(void) {
    fprintf(stderr, "usage: jetload --relay PORT | --tcp FRONT --backend PORT  [--pid P,P]\n"
            "  pairs N --hold | pending N --wait S | storm RATE S --pairs K [--pause US] | mutate N --parallel P --seed S [--first I]\n"
            "  bulk --streams N --seconds S [--up] [--pinned] | rr --streams N --seconds S [--pinned] | rendezvous --seconds S --parallel P\n");
    return 2;
}

int main(int argc, char **argv) {
    char *words[4] = {NULL};
    int count = 0;
    for (int i = 1; i < argc; i++) {
        const char *key = argv[i];
        if (!strcmp(key, "--up")) opt.up = true;
        else if (!strcmp(key, "--pinned")) opt.pinned = true;
        else if (!strcmp(key, "--hold")) opt.hold = true;
        else if (strncmp(key, "--", 2)) { if (count < 4) words[count++] = argv[i]; }
        else if (i + 1 >= argc) return usage();
        else if (!strcmp(key, "--relay")) opt.relay = atoi(argv[++i]);
        else if (!strcmp(key, "--tcp")) opt.front = atoi(argv[++i]);
        else if (!strcmp(key, "--backend")) opt.backend = atoi(argv[++i]);
        else if (!strcmp(key, "--streams")) opt.streams = atoi(argv[++i]);
        else if (!strcmp(key, "--seconds")) opt.seconds = atof(argv[++i]);
        else if (!strcmp(key, "--parallel")) opt.parallel = atoi(argv[++i]);
        else if (!strcmp(key, "--pairs")) opt.pairs = atoi(argv[++i]);
        else if (!strcmp(key, "--pause")) opt.pause = atoi(argv[++i]);
        else if (!strcmp(key, "--wait")) opt.wait = atof(argv[++i]);
        else if (!strcmp(key, "--seed")) opt.seed = strtoull(argv[++i], NULL, 10);
        else if (!strcmp(key, "--first")) opt.first = strtoull(argv[++i], NULL, 10);
        else if (!strcmp(key, "--pid")) read_pids(argv[++i]);
        else return usage();
    }
    bool proxied = opt.front && opt.backend;
    if (!count || (!opt.relay && !proxied) || opt.streams < 1 || opt.parallel < 1 || opt.pairs < 1) return usage();
    signal(SIGPIPE, SIG_IGN);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    latencies = malloc(most_latencies * sizeof *latencies);
    const char *mode = words[0];
    if (!strcmp(mode, "bulk")) return bulk();
    if (!strcmp(mode, "rr")) return rr();
    if (!strcmp(mode, "rendezvous")) return rendezvous();
    if (count < 2) return usage();
    if (!strcmp(mode, "pairs")) return hold_pairs(atoi(words[1]));
    if (!opt.relay) return usage();
    if (!strcmp(mode, "pending")) return pending(atoi(words[1]));
    if (!strcmp(mode, "mutate")) return mutate(strtoull(words[1], NULL, 10));
    if (!strcmp(mode, "storm") && count == 3) return run_storm(atof(words[1]), atof(words[2]));
    return usage();
}
