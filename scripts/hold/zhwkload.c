// SPDX-License-Identifier: Apache-2.0
// Hostile exits for a zhwkproX inter-server: strangers, half logins, and logins followed by abuse. Prints JSON at its end.
//
//   zhwkload --port PORT --count N [--parallel P] [--seed S] [--from LAST] [--aim PORT,..] [--challenge HEX] [--linger MS]
//
// --from: sessions come from 127.0.0.2 to 127.0.0.LAST. --aim: loopback ports that honest users ask for. --challenge: one
// that carries the mark of the extension, used by half of the logins. --linger: how long a hostile exit stays at most.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

enum { room = 96 << 10, challenge_size = 22, most_aims = 64 };

static struct {
    int port, parallel, last, linger, aims[most_aims], aim_count;
    long count;
    uint64_t seed;
    uint8_t challenge[challenge_size];
    bool extended;
} opt = {.parallel = 48, .last = 200, .linger = 100, .seed = 1};

static atomic_long next_number, ready, ready_extended, turned_away, closed_by_peer, silent, unconnected, sent_bytes, taken_bytes, other;

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

// ---- A session

struct session {
    int fd;
    struct chance *chance;
    uint8_t *out;  // `room` bytes
    size_t count;
    bool broken;
};

static void add(struct session *s, const void *bytes, size_t count) {
    if (count > room - s->count) count = room - s->count;
    memcpy(s->out + s->count, bytes, count);
    s->count += count;
}
static void add_noise(struct session *s, size_t count) {
    if (count > room - s->count) count = room - s->count;
    noise(s->chance, s->out + s->count, count);
    s->count += count;
}
static void add_big(struct session *s, uint64_t value, int bytes) {
    uint8_t text[8];
    for (int i = 0; i < bytes; i++) text[i] = (uint8_t)(value >> 8 * (bytes - 1 - i));
    add(s, text, (size_t)bytes);
}
static void add_byte(struct session *s, uint8_t value) { add(s, &value, 1); }

static void send_some(struct session *s, const uint8_t *bytes, size_t count) {
    while (count && !s->broken) {
        ssize_t n = send(s->fd, bytes, count, MSG_NOSIGNAL);
        if (n <= 0) { s->broken = true; return; }
        bytes += n, count -= (size_t)n, sent_bytes += n;
    }
}

// Sends what was added: at once, in two parts, or (short ones) byte by byte.
static void flush(struct session *s) {
    size_t way = below(s->chance, 8), cut = below(s->chance, s->count + 1);
    if (way == 0 && s->count <= 80) {
        for (size_t i = 0; i < s->count; i++) send_some(s, s->out + i, 1);
    } else if (way <= 2) {
        send_some(s, s->out, cut);
        if (below(s->chance, 4) == 0) usleep((useconds_t)below(s->chance, 3000));
        send_some(s, s->out + cut, s->count - cut);
    } else send_some(s, s->out, s->count);
    s->count = 0;
}

static bool take(struct session *s, uint8_t *into, size_t count) {
    for (size_t got = 0; got < count && !s->broken;) {
        ssize_t n = recv(s->fd, into + got, count - got, 0);
        if (n <= 0) s->broken = true;
        else got += (size_t)n, taken_bytes += n;
    }
    return !s->broken;
}

static void patience(struct session *s, int ms) {
    struct timeval t = {ms / 1000, ms % 1000 * 1000};
    setsockopt(s->fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
}

// ---- What it says

static void add_place(struct session *s) {  // ipvr, address, port of a reply: mostly one that somebody may have asked for
    size_t kind = below(s->chance, 8);
    if (kind < 5 && opt.aim_count) {
        add(s, "\4\x7f\0\0\1", 5);
        add_big(s, (uint64_t)opt.aims[below(s->chance, (size_t)opt.aim_count)], 2);
    } else if (kind == 7) {
        add_byte(s, 6), add_noise(s, 18);
    } else add_byte(s, 4), add_noise(s, 6);
}

static void add_little(struct session *s, uint32_t value) { add(s, (uint8_t[4]){(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16), (uint8_t)(value >> 24)}, 4); }

static void add_reply(struct session *s, uint32_t said, size_t count) { add_place(s), add_little(s, said), add_noise(s, count); }

static void plain_abuse(struct session *s) {
    struct chance *c = s->chance;
    size_t kind = below(c, 9), times = 1 + below(c, 300);
    if (kind == 0) add_noise(s, 1 + below(c, 3000));
    else if (kind == 1) add_reply(s, 0xFFFFFFFF, below(c, 2000));
    else if (kind == 2) add_reply(s, (1u << 20) + 1 + (uint32_t)below(c, 1u << 30), below(c, 2000));
    else if (kind == 3) add_byte(s, (uint8_t)(7 + below(c, 249))), add_noise(s, below(c, 40));
    else if (kind == 4) for (size_t i = 0; i < times * 4; i++) add_reply(s, 8, 8);  // data that nobody asked for, of many places
    else if (kind == 5) for (size_t i = 0; i < times * 6; i++) add_reply(s, 0, 0);  // ends of anything
    else if (kind == 6) for (size_t i = 0; i < times / 20 + 1; i++) { size_t n = below(c, 9000); add_reply(s, (uint32_t)n, n); }
    else if (kind == 7) add_reply(s, 1u << 20, below(c, 60000));  // the largest, and cut off
    else add_place(s), s->count -= 1 + below(c, 6);  // half a head
}

static void add_data(struct session *s, uint32_t id, uint32_t said, size_t count) { add_byte(s, 0xE1), add_big(s, id, 4), add_big(s, said, 4), add_noise(s, count); }

static void extended_abuse(struct session *s) {
    struct chance *c = s->chance;
    size_t kind = below(c, 12), times = 1 + below(c, 400);
    uint32_t id = (uint32_t)(below(c, 3) ? 1 + below(c, 20) : any(c));
    if (kind == 0) add_noise(s, 1 + below(c, 3000));
    else if (kind == 1) for (size_t i = 0; i < times; i++) add_byte(s, 0xE0), add_big(s, i, 4), add_byte(s, (uint8_t)below(c, 20)), add_big(s, any(c), 4);
    else if (kind == 2) for (size_t i = 0; i < times / 10 + 1; i++) { size_t n = below(c, 6000); add_data(s, id + (uint32_t)i, (uint32_t)n, n); }
    else if (kind == 3) add_data(s, id, 65537 + (uint32_t)below(c, 0xFFFE0000), below(c, 2000));
    else if (kind == 4) add_data(s, id, 65536, below(c, 65537));
    else if (kind == 5) for (size_t i = 0; i < times; i++) add_byte(s, 0xE2), add_big(s, id, 4), add_big(s, 0xFFFFFFFF, 4);
    else if (kind == 6) for (size_t i = 0; i < times; i++) add_byte(s, 0xE3), add_big(s, id, 4);
    else if (kind == 7) add_byte(s, 0xE4), add_big(s, id, 4), add_noise(s, 10);  // an exit may not open
    else if (kind == 8) for (size_t i = 0; i < times; i++) add_byte(s, 0xE5), add_big(s, i, 4), add_byte(s, (uint8_t)any(c));
    else if (kind == 9) for (size_t i = 0; i < times * 10; i++) add_byte(s, 0xE7), add_noise(s, 8);  // each wants an answer
    else if (kind == 10) add_byte(s, 0xE8), add_noise(s, 8);
    else add_byte(s, (uint8_t)(0xE9 + below(c, 23))), add_noise(s, 50);
}

static void abuse(struct session *s, bool extended) {
    size_t rounds = 1 + below(s->chance, 3);
    for (size_t i = 0; i < rounds && !s->broken; i++) {
        if (extended) extended_abuse(s); else plain_abuse(s);
        flush(s);
    }
}

// `80 01 00`, or another legal one.
static void hello(struct session *s) {
    size_t methods = below(s->chance, 10) ? 1 : below(s->chance, 256);
    add_byte(s, 0x80), add_byte(s, (uint8_t)methods);
    if (methods == 1) add_byte(s, 0); else add_noise(s, methods);
}

static void log_in(struct session *s) {
    uint8_t answer[256];
    bool extended = opt.extended && below(s->chance, 2), one_write = below(s->chance, 8) == 0;
    size_t size = extended ? challenge_size : below(s->chance, 6) ? challenge_size : below(s->chance, 256);
    hello(s);
    if (!one_write) { flush(s); if (!take(s, answer, 1) || answer[0] != 0x80) { turned_away++; return; } }
    add_byte(s, (uint8_t)size);
    if (extended) add(s, opt.challenge, size); else add_noise(s, size);
    if (!one_write) flush(s);
    if (one_write) {
        add_byte(s, 1);
        if (extended) extended_abuse(s); else plain_abuse(s);
        flush(s);
        if (!take(s, answer, 2)) turned_away++;
        else extended ? ready_extended++ : ready++;
        return;
    }
    if (!take(s, answer, 1) || !take(s, answer + 1, answer[0])) { turned_away++; return; }
    if (below(s->chance, 12) == 0) { add_byte(s, 0), flush(s); return; }  // "you are wrong"
    if (below(s->chance, 12) == 0) return;                                // no verdict
    add_byte(s, (uint8_t)(1 + below(s->chance, 255)));
    flush(s);
    if (extended) ready_extended++; else ready++;
    if (below(s->chance, 3) == 0) usleep((useconds_t)below(s->chance, (size_t)opt.linger * 1000));
    abuse(s, extended);
    if (below(s->chance, 3) == 0) usleep((useconds_t)below(s->chance, (size_t)opt.linger * 1000));
}

static void talk(struct session *s) {
    struct chance *c = s->chance;
    size_t kind = below(c, 16);
    if (kind == 0) return;  // not a word
    if (kind == 1) add_noise(s, 1 + below(c, 400));
    else if (kind == 2) add(s, "\x80\1", 1 + below(c, 2));  // half a hello
    else if (kind == 3) add(s, "\5\1\0\5\1\0\1\x7f\0\0\1\0\x50", 1 + below(c, 13));  // a browser at the wrong port
    else if (kind == 4) add(s, "GET / HTTP/1.1\r\nHost: hold\r\n\r\n", 30);
    else if (kind == 5) hello(s), add_byte(s, (uint8_t)(1 + below(c, 255)));  // no challenge behind its size
    else if (kind == 6) hello(s), add_byte(s, 22), add_noise(s, below(c, 22));
    else if (kind == 7) add(s, "\x80\xff", 2), add_noise(s, below(c, 255));
    else { log_in(s); return; }
    flush(s);
}

static void leave(struct session *s) {
    size_t way = below(s->chance, 4);
    uint8_t rest[4096];
    if (way == 0) {
        struct linger hard = {1, 0};
        setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    } else if (way >= 2 && !s->broken) {
        if (way == 2) shutdown(s->fd, SHUT_WR);
        patience(s, way == 2 ? 1500 : 1 + (int)below(s->chance, 20));
        for (;;) {
            ssize_t n = recv(s->fd, rest, sizeof rest, 0);
            if (n > 0) { taken_bytes += n; continue; }
            if (n == 0 || errno == ECONNRESET) closed_by_peer++;
            else if (errno == EAGAIN) silent++;
            else other++;
            break;
        }
    }
    close(s->fd);
}

static int dial(struct chance *c) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
    if (fd < 0) return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
    struct sockaddr_in here = {.sin_family = AF_INET}, there = {.sin_family = AF_INET, .sin_port = htons((uint16_t)opt.port)};
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + (uint32_t)below(c, (size_t)opt.last - 1));
    there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct timeval most = {2, 0};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof most);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most);
    if (bind(fd, (void *)&here, sizeof here) || connect(fd, (void *)&there, sizeof there)) { close(fd); return -1; }
    return fd;
}

static void *work(void *unused) {
    (void)unused;
    uint8_t *out = malloc(room);
    for (long number; (number = next_number++) < opt.count;) {
        struct chance chance = {opt.seed * 0x51ED27ull + (uint64_t)number * 0xD1B54A32D192ED03ull};
        struct session s = {.fd = dial(&chance), .chance = &chance, .out = out};
        if (s.fd < 0) { unconnected++; continue; }
        talk(&s);
        leave(&s);
    }
    free(out);
    return NULL;
}

// ---- Options

static void read_challenge(const char *hex) {
    for (int i = 0; i < challenge_size; i++)
        if (sscanf(hex + 2 * i, "%2hhx", &opt.challenge[i]) != 1) exit(2);
    opt.extended = true;
}

static void read_aims(char *list) {
    for (char *word = strtok(list, ","); word && opt.aim_count < most_aims; word = strtok(NULL, ",")) opt.aims[opt.aim_count++] = atoi(word);
}

static void read_options(int count, char **words) {
    for (int i = 1; i + 1 < count; i += 2) {
        char *value = words[i + 1];
        if (!strcmp(words[i], "--port")) opt.port = atoi(value);
        else if (!strcmp(words[i], "--count")) opt.count = atol(value);
        else if (!strcmp(words[i], "--parallel")) opt.parallel = atoi(value);
        else if (!strcmp(words[i], "--seed")) opt.seed = strtoull(value, NULL, 10);
        else if (!strcmp(words[i], "--from")) opt.last = atoi(value);
        else if (!strcmp(words[i], "--linger")) opt.linger = atoi(value);
        else if (!strcmp(words[i], "--aim")) read_aims(value);
        else if (!strcmp(words[i], "--challenge")) read_challenge(value);
        else exit(2);
    }
    if (!opt.port || !opt.count || opt.parallel < 1 || opt.parallel > 1000 || opt.last < 2 || opt.last > 250) exit(2);
}

int main(int count, char **words) {
    signal(SIGPIPE, SIG_IGN);
    read_options(count, words);
    struct timespec begun, ended;
    clock_gettime(CLOCK_MONOTONIC, &begun);
    pthread_t threads[opt.parallel];
    for (int i = 0; i < opt.parallel; i++)
        if (pthread_create(&threads[i], NULL, work, NULL)) return 1;
    for (int i = 0; i < opt.parallel; i++) pthread_join(threads[i], NULL);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    double seconds = (double)(ended.tv_sec - begun.tv_sec) + (double)(ended.tv_nsec - begun.tv_nsec) / 1e9;
    printf("{\"sessions\":%ld,\"seconds\":%.1f,\"ready\":%ld,\"ready_extended\":%ld,\"turned_away\":%ld,\"closed\":%ld,\"silent\":%ld,"
           "\"unconnected\":%ld,\"other\":%ld,\"sent_mb\":%.1f,\"taken_mb\":%.1f}\n",
           opt.count, seconds, ready, ready_extended, turned_away, closed_by_peer, silent, unconnected, other,
           (double)sent_bytes / 1e6, (double)taken_bytes / 1e6);
}
