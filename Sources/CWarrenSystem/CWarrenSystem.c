// SPDX-License-Identifier: Apache-2.0

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "CWarrenSystem.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/random.h>
#include <sys/un.h>
#include <unistd.h>

#if defined(__linux__)
#include <linux/sockios.h>

#include "poller_epoll.h"
#else
#include "poller_kqueue.h"
#endif

static int no_block(int descriptor) {
    if (descriptor < 0) return -1;
    int flags = fcntl(descriptor, F_GETFL, 0);
    if (flags < 0 || fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(descriptor, F_SETFD, FD_CLOEXEC) < 0) {
        int saved = errno;
        close(descriptor);
        errno = saved;
        return -1;
    }
#if defined(SO_NOSIGPIPE)
    int one = 1;
    setsockopt(descriptor, SOL_SOCKET, SO_NOSIGPIPE, &one, sizeof one);
#endif
    return descriptor;
}

// MARK: - Addresses

union any_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static socklen_t to_system(struct cws_address address, union any_address *system) {
    memset(system, 0, sizeof *system);
    if (address.version == 4) {
        system->v4.sin_family = AF_INET;
        system->v4.sin_port = htons(address.port);
        system->v4.sin_addr.s_addr = htonl((uint32_t)address.low);
        return sizeof system->v4;
    }
    system->v6.sin6_family = AF_INET6;
    system->v6.sin6_port = htons(address.port);
    for (int i = 0; i < 8; i++) {
        system->v6.sin6_addr.s6_addr[i] = (uint8_t)(address.high >> (56 - 8 * i));
        system->v6.sin6_addr.s6_addr[8 + i] = (uint8_t)(address.low >> (56 - 8 * i));
    }
    return sizeof system->v6;
}

static struct cws_address from_system(const union any_address *system) {
    struct cws_address address = {.version = 4};
    if (system->any.sa_family != AF_INET6) {
        address.port = ntohs(system->v4.sin_port);
        address.low = ntohl(system->v4.sin_addr.s_addr);
        return address;
    }
    address.version = 6;
    address.port = ntohs(system->v6.sin6_port);
    for (int i = 0; i < 8; i++) {
        address.high = address.high << 8 | system->v6.sin6_addr.s6_addr[i];
        address.low = address.low << 8 | system->v6.sin6_addr.s6_addr[8 + i];
    }
    return address;
}

// MARK: - Sockets

int cws_socket(uint8_t version) {
    int family = version == 4 ? AF_INET : AF_INET6;
#if defined(SOCK_NONBLOCK)
    return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
#else
    return no_block(socket(family, SOCK_STREAM, 0));
#endif
}

int cws_accept(int listener, struct cws_address *peer) {
    union any_address system = {0};
    socklen_t length = sizeof system;
#if defined(__linux__)
    (void)no_block;
    int accepted = accept4(listener, &system.any, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
#else
    int accepted = no_block(accept(listener, &system.any, &length));
#endif
    *peer = from_system(&system);
    return accepted;
}

int cws_socket_pair(int ends[2]) {
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0) return -1;
    for (int i = 0; i < 2; i++) (void)fcntl(ends[i], F_SETFD, FD_CLOEXEC);
    if (fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0) return 0;
    int code = errno;
    close(ends[0]);
    close(ends[1]);
    errno = code;
    return -1;
}

int cws_bind(int descriptor, struct cws_address address) {
    union any_address system;
    socklen_t length = to_system(address, &system);
    return bind(descriptor, &system.any, length);
}

int cws_connect(int descriptor, struct cws_address address) {
    union any_address system;
    socklen_t length = to_system(address, &system);
    int made = connect(descriptor, &system.any, length);
    return made < 0 && (errno == EINPROGRESS || errno == EINTR) ? 0 : made;
}

int cws_dial_unix(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    if (length >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(address.sun_path, path, length + 1);
#if defined(SOCK_NONBLOCK)
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
#else
    int descriptor = no_block(socket(AF_UNIX, SOCK_STREAM, 0));
#endif
    if (descriptor < 0) return -1;
    if (connect(descriptor, (struct sockaddr *)&address, sizeof address) == 0) return descriptor;
    int code = errno;
    close(descriptor);
    errno = code;
    return -1;
}

int cws_local_address(int descriptor, struct cws_address *address) {
    union any_address system = {0};
    socklen_t length = sizeof system;
    if (getsockname(descriptor, &system.any, &length) < 0) return -1;
    *address = from_system(&system);
    return 0;
}

int cws_bind_without_port(int descriptor) {
#if defined(IP_BIND_ADDRESS_NO_PORT)
    int on = 1;
    return setsockopt(descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
#else
    (void)descriptor;
    return 0;
#endif
}

int cws_take_both_families(int descriptor) {
    int off = 0;
    return setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
}

int cws_lock_port(uint16_t port) {
#if defined(__linux__)
    // In the abstract namespace: no file, and gone with the process.
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int length = snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "warren-listens-on-%u", (unsigned)port);
    int descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return -1;
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
    if (bind(descriptor, (struct sockaddr *)&name, size) == 0) return descriptor;
    (void)close(descriptor);
#else
    (void)port;
#endif
    return -1;
}

int cws_set_option(int descriptor, int level, int name, int value) {
    return setsockopt(descriptor, level, name, &value, sizeof value);
}

int cws_get_option(int descriptor, int level, int name) {
    int value = 0;
    socklen_t length = sizeof value;
    return getsockopt(descriptor, level, name, &value, &length) == 0 ? value : -1;
}

int cws_take_error(int descriptor) {
    int code = 0;
    socklen_t length = sizeof code;
    return getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &length) < 0 ? errno : code;
}

int cws_is_unanswered(int descriptor, uint32_t milliseconds) {
#if defined(__linux__)
    struct tcp_info info;
    memset(&info, 0, sizeof info);
    socklen_t length = sizeof info;
    if (getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, &info, &length) < 0) return 0;
    // Data sent again, or, where the peer takes none, the question whether it does now.
    unsigned asked = info.tcpi_unacked > 0 ? info.tcpi_retransmits : info.tcpi_probes;
    return asked >= 2 && info.tcpi_last_ack_recv >= milliseconds;
#else
    (void)descriptor;
    (void)milliseconds;
    return 0;
#endif
}

ssize_t cws_send(int descriptor, const void *bytes, size_t count) {
#if defined(MSG_NOSIGNAL)
    return send(descriptor, bytes, count, MSG_NOSIGNAL);
#else
    return send(descriptor, bytes, count, 0);
#endif
}

ssize_t cws_send_several(int descriptor, const struct iovec *pieces, size_t count) {
    struct msghdr message = {.msg_iov = (struct iovec *)pieces, .msg_iovlen = (int)count};
#if defined(MSG_NOSIGNAL)
    return sendmsg(descriptor, &message, MSG_NOSIGNAL);
#else
    return sendmsg(descriptor, &message, 0);
#endif
}

int cws_unsent(int descriptor) {
    int count = 0;
#if defined(__linux__)
    if (ioctl(descriptor, SIOCOUTQNSD, &count) < 0) return 0;
#elif defined(SO_NWRITE)
    socklen_t size = sizeof count;
    if (getsockopt(descriptor, SOL_SOCKET, SO_NWRITE, &count, &size) < 0) return 0;
#endif
    return count;
}

int cws_random(void *bytes, size_t count) { return getentropy(bytes, count); }

int cws_set_reset_on_close(int descriptor) {
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    return setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

// MARK: - Datagrams

#if defined(__linux__)
#include "datagrams_linux.h"
#else
#include "datagrams_plain.h"
#endif

void cws_become_thread(const char *name) {
#if defined(__linux__)
    pthread_setname_np(pthread_self(), name);
    errno = 0;
    int nice = getpriority(PRIO_PROCESS, (id_t)getpid());
    // On Linux 0 is the calling thread. Not permitted is no harm.
    if (errno == 0) (void)setpriority(PRIO_PROCESS, 0, nice);
#else
    pthread_setname_np(name);
#endif
}

// MARK: - The process

void cws_open_standard_descriptors(void) {
    for (int number = 0; number <= 2; number++) {
        if (fcntl(number, F_GETFD) >= 0 || errno != EBADF) continue;
        // The system gives the lowest free number. Where there is no null device, a folder takes the place: nothing can
        // be read from it or written to it.
        if (open("/dev/null", O_RDWR) < 0) (void)open("/", O_RDONLY);
    }
}

void cws_ignore_broken_pipes(void) { (void)signal(SIGPIPE, SIG_IGN); }

static int64_t from_limit(rlim_t limit) {
    return limit == RLIM_INFINITY || limit > INT64_MAX ? INT64_MAX : (int64_t)limit;
}

int64_t cws_descriptor_limit(void) {
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) < 0 ? INT64_MAX : from_limit(limit.rlim_cur);
}

int64_t cws_raise_descriptor_limit(int64_t most) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && from_limit(limit.rlim_cur) < most) {
        int64_t allowed = from_limit(limit.rlim_max);
        limit.rlim_cur = (rlim_t)(allowed < most ? allowed : most);
        // Not permitted is no harm: it stays as it is.
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    return cws_descriptor_limit();
}

int64_t cws_size_of_file(int descriptor) {
    struct stat found;
    return fstat(descriptor, &found) == 0 && S_ISREG(found.st_mode) ? (int64_t)found.st_size : -1;
}

int cws_socket_at(const char *path, uint64_t *device, uint64_t *number) {
    struct stat found;
    if (lstat(path, &found) != 0 || !S_ISSOCK(found.st_mode)) return -1;
    *device = (uint64_t)found.st_dev;
    *number = (uint64_t)found.st_ino;
    return 0;
}

int cws_facts_of_file(const char *path, cws_file_facts *facts) {
    struct stat found;
    if (stat(path, &found) != 0) return -1;
#ifdef __APPLE__
    struct timespec changed = found.st_ctimespec, modified = found.st_mtimespec;
#else
    struct timespec changed = found.st_ctim, modified = found.st_mtim;
#endif
    *facts = (cws_file_facts){
        .device = (uint64_t)found.st_dev,
        .number = (uint64_t)found.st_ino,
        .size = (int64_t)found.st_size,
        .mode = (uint32_t)found.st_mode,
        .changed = (int64_t)changed.tv_sec * 1000000000 + changed.tv_nsec,
        .modified = (int64_t)modified.tv_sec * 1000000000 + modified.tv_nsec,
        .is_directory = S_ISDIR(found.st_mode),
        .is_file = S_ISREG(found.st_mode),
    };
    return 0;
}

#if defined(__linux__)

int cws_can_splice(void) { return 1; }

int cws_pipe(int ends[2], int size) {
    if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) < 0) return -1;
    // Beyond the user's share the pipe stays at its default size: slower, not wrong.
    (void)fcntl(ends[0], F_SETPIPE_SZ, size);
    return 0;
}

ssize_t cws_splice(int from, int to, size_t count) {
    return splice(from, NULL, to, NULL, count, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
}

#else

int cws_can_splice(void) { return 0; }

int cws_pipe(int ends[2], int size) {
    (void)ends;
    (void)size;
    errno = ENOTSUP;
    return -1;
}

ssize_t cws_splice(int from, int to, size_t count) {
    (void)from;
    (void)to;
    (void)count;
    errno = ENOTSUP;
    return -1;
}

#endif
