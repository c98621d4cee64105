// SPDX-License-Identifier: Apache-2.0

#include <sys/event.h>
#include <sys/time.h>

#define CWS_MOST_EVENTS 256

int cws_poller_open(struct cws_poller *poller) {
    poller->bell = -1;
    poller->descriptor = kqueue();
    if (poller->descriptor < 0) return -1;
    struct kevent bell;
    EV_SET(&bell, 0, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0, NULL);
    if (kevent(poller->descriptor, &bell, 1, NULL, 0, NULL) < 0) {
        cws_poller_close(poller);
        return -1;
    }
    return 0;
}

void cws_poller_close(struct cws_poller *poller) { close(poller->descriptor); }

int cws_poller_add(struct cws_poller poller, int descriptor, uint64_t token, int writing) {
    struct kevent both[2];
    EV_SET(&both[0], descriptor, EVFILT_READ, EV_ADD | EV_CLEAR, 0, 0, (void *)(uintptr_t)token);
    EV_SET(&both[1], descriptor, EVFILT_WRITE, EV_ADD | EV_CLEAR, 0, 0, (void *)(uintptr_t)token);
    return kevent(poller.descriptor, both, writing ? 2 : 1, NULL, 0, NULL);
}

int cws_poller_add_writing(struct cws_poller poller, int descriptor, uint64_t token) {
    struct kevent event;
    EV_SET(&event, descriptor, EVFILT_WRITE, EV_ADD | EV_CLEAR, 0, 0, (void *)(uintptr_t)token);
    return kevent(poller.descriptor, &event, 1, NULL, 0, NULL);
}

int cws_poller_add_listener(struct cws_poller poller, int descriptor, uint64_t token) {
    struct kevent event;
    EV_SET(&event, descriptor, EVFILT_READ, EV_ADD, 0, 0, (void *)(uintptr_t)token);
    return kevent(poller.descriptor, &event, 1, NULL, 0, NULL);
}

int cws_poller_remove(struct cws_poller poller, int descriptor) {
    struct kevent event;
    EV_SET(&event, descriptor, EVFILT_READ, EV_DELETE, 0, 0, NULL);
    return kevent(poller.descriptor, &event, 1, NULL, 0, NULL);
}

int cws_poller_wait(struct cws_poller poller, struct cws_event *events, int capacity, int milliseconds) {
    struct kevent found[CWS_MOST_EVENTS];
    int most = capacity < CWS_MOST_EVENTS ? capacity : CWS_MOST_EVENTS;
    struct timespec limit = {.tv_sec = milliseconds / 1000, .tv_nsec = (long)(milliseconds % 1000) * 1000000};
    int count = kevent(poller.descriptor, NULL, 0, found, most, milliseconds < 0 ? NULL : &limit);
    if (count < 0) return errno == EINTR ? 0 : -1;
    for (int i = 0; i < count; i++) {
        uint32_t ready = found[i].filter == EVFILT_WRITE ? CWS_WRITABLE : CWS_READABLE;
        if (found[i].flags & EV_EOF) {
            if (found[i].filter == EVFILT_READ) ready |= CWS_ENDED;
            if (found[i].fflags != 0) ready |= CWS_FAILED;
        }
        if (found[i].flags & EV_ERROR) ready |= CWS_FAILED;
        events[i].token = found[i].filter == EVFILT_USER ? 0 : (uint64_t)(uintptr_t)found[i].udata;
        events[i].ready = ready;
    }
    return count;
}

void cws_poller_ring(struct cws_poller poller) {
    struct kevent bell;
    EV_SET(&bell, 0, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL);
    (void)kevent(poller.descriptor, &bell, 1, NULL, 0, NULL);
}
