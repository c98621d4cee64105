// SPDX-License-Identifier: Apache-2.0

#include <sys/epoll.h>
#include <sys/eventfd.h>

#define CWS_MOST_EVENTS 256

int cws_poller_open(struct cws_poller *poller) {
    poller->descriptor = epoll_create1(EPOLL_CLOEXEC);
    if (poller->descriptor < 0) return -1;
    poller->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event bell = {.events = EPOLLIN | EPOLLET, .data.u64 = 0};
    if (poller->bell < 0 || epoll_ctl(poller->descriptor, EPOLL_CTL_ADD, poller->bell, &bell) < 0) {
        cws_poller_close(poller);
        return -1;
    }
    return 0;
}

void cws_poller_close(struct cws_poller *poller) {
    if (poller->bell >= 0) close(poller->bell);
    close(poller->descriptor);
}

int cws_poller_add(struct cws_poller poller, int descriptor, uint64_t token, int writing) {
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.u64 = token};
    if (writing) event.events |= EPOLLOUT;
    return epoll_ctl(poller.descriptor, EPOLL_CTL_ADD, descriptor, &event);
}

int cws_poller_add_writing(struct cws_poller poller, int descriptor, uint64_t token) {
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.u64 = token};
    return epoll_ctl(poller.descriptor, EPOLL_CTL_MOD, descriptor, &event);
}

int cws_poller_add_listener(struct cws_poller poller, int descriptor, uint64_t token) {
    struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.u64 = token};
    return epoll_ctl(poller.descriptor, EPOLL_CTL_ADD, descriptor, &event);
}

int cws_poller_remove(struct cws_poller poller, int descriptor) {
    return epoll_ctl(poller.descriptor, EPOLL_CTL_DEL, descriptor, NULL);
}

int cws_poller_wait(struct cws_poller poller, struct cws_event *events, int capacity, int milliseconds) {
    struct epoll_event found[CWS_MOST_EVENTS];
    int most = capacity < CWS_MOST_EVENTS ? capacity : CWS_MOST_EVENTS;
    int count = epoll_wait(poller.descriptor, found, most, milliseconds);
    if (count < 0) return errno == EINTR ? 0 : -1;
    for (int i = 0; i < count; i++) {
        uint32_t bits = found[i].events;
        uint32_t ready = 0;
        if (bits & (EPOLLIN | EPOLLRDHUP | EPOLLHUP)) ready |= CWS_READABLE;
        if (bits & EPOLLOUT) ready |= CWS_WRITABLE;
        if (bits & (EPOLLRDHUP | EPOLLHUP)) ready |= CWS_ENDED;
        if (bits & EPOLLERR) ready |= CWS_FAILED;
        events[i].token = found[i].data.u64;
        events[i].ready = ready;
    }
    return count;
}

void cws_poller_ring(struct cws_poller poller) {
    uint64_t one = 1;
    // Full means that it rings already. Edge-triggered: every write tells anew, nobody needs to read.
    (void)!write(poller.bell, &one, sizeof one);
}
