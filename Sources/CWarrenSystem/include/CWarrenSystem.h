// SPDX-License-Identifier: Apache-2.0
//
// The few system calls of the relay path that Swift cannot reach by itself, or that differ between Linux (epoll) and
// Darwin (kqueue). Every call returns -1 and sets errno when it fails, as the system's own do.

#ifndef CWARREN_SYSTEM_H
#define CWARREN_SYSTEM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/// What has become possible on a descriptor.
enum {
    CWS_READABLE = 1,
    CWS_WRITABLE = 2,
    /// The peer has sent its end: a short read does not mean that all has been read.
    CWS_ENDED = 4,
    /// Reset, or a connect that failed.
    CWS_FAILED = 8,
};

/// `token` is what was given with the descriptor; 0 for a ring of `cws_poller_ring`.
struct cws_event {
    uint64_t token;
    uint32_t ready;
};

/// A set of watched descriptors with a bell. The bell may be rung from any thread; all else belongs to one.
struct cws_poller {
    int descriptor;
    int bell;
};

int cws_poller_open(struct cws_poller *poller);
void cws_poller_close(struct cws_poller *poller);
/// Tells of each change once (edge-triggered): that there is something to read, and, if `writing` is not 0, that there
/// is room to write. A closed descriptor leaves by itself; not before a child process that has inherited it has let go
/// of it, so that its token may still come up.
int cws_poller_add(struct cws_poller poller, int descriptor, uint64_t token, int writing);
/// From now on tells of room too, at once if there is some.
int cws_poller_add_writing(struct cws_poller poller, int descriptor, uint64_t token);
/// Tells again while there are connections to accept, and only one of the pollers that share the descriptor.
int cws_poller_add_listener(struct cws_poller poller, int descriptor, uint64_t token);
int cws_poller_remove(struct cws_poller poller, int descriptor);
/// Waits at most `milliseconds`, without end below 0. Returns how many events there are, 0 also after a signal.
int cws_poller_wait(struct cws_poller poller, struct cws_event *events, int capacity, int milliseconds);
void cws_poller_ring(struct cws_poller poller);

/// An IP address and a port in the machine's own byte order; IPv4 in the low 32 bits of `low`.
struct cws_address {
    uint64_t high;
    uint64_t low;
    uint16_t port;
    /// 4 or 6.
    uint8_t version;
};

/// A TCP socket for addresses of this version; it does not block and is not inherited by child processes.
int cws_socket(uint8_t version);
/// Two joined sockets: the first does not block, the second does.
int cws_socket_pair(int ends[2]);
/// Accepts a connection as such a socket.
int cws_accept(int listener, struct cws_address *peer);
int cws_bind(int descriptor, struct cws_address address);
/// Lets a bind to an address leave the choice of the port to connect, where the system can.
int cws_bind_without_port(int descriptor);
/// Lets an IPv6 socket that is about to be bound to every address take IPv4 as well, whatever the system's default.
int cws_take_both_families(int descriptor);
/// Keeps other processes of ours from binding the same port meanwhile, until the descriptor is closed; -1 if one does so.
int cws_lock_port(uint16_t port);
/// Connects to a socket of this machine at a path; -1 if that cannot be at once, with EAGAIN if too many others wait there.
int cws_dial_unix(const char *path);
/// Starts to connect; 0 also when it is under way.
int cws_connect(int descriptor, struct cws_address address);
/// Where a socket is bound.
int cws_local_address(int descriptor, struct cws_address *address);
int cws_set_option(int descriptor, int level, int name, int value);
/// The value of an option, or -1.
int cws_get_option(int descriptor, int level, int name);
/// What failed, as an error number; 0 for nothing.
int cws_take_error(int descriptor);
/// True where the system has asked the peer of a connection several times for an answer and heard nothing of it for so
/// long. A peer that answers but takes nothing is no such peer. Always 0 where the system does not tell (Darwin).
int cws_is_unanswered(int descriptor, uint32_t milliseconds);
/// Writes without raising SIGPIPE.
ssize_t cws_send(int descriptor, const void *bytes, size_t count);
/// The same for several pieces.
ssize_t cws_send_several(int descriptor, const struct iovec *pieces, size_t count);
/// Bytes that were written and not sent; 0 also where the system does not say.
int cws_unsent(int descriptor);
/// So that closing resets.
int cws_set_reset_on_close(int descriptor);
/// Fills at most 256 bytes with the system's random numbers, which nobody can tell before.
int cws_random(void *bytes, size_t count);

/// A UDP socket for addresses of this version; it does not block and is not inherited by child processes.
int cws_datagram_socket(uint8_t version);
/// Buffers of about so many bytes each way, marks (ECN) told, and no fragments: what is too long for its path is refused.
void cws_set_up_datagrams(int descriptor, uint8_t version, int buffer);
/// Datagrams that are too long for the path travel in pieces from now on.
void cws_let_fragment(int descriptor, uint8_t version);
/// Tells with each datagram which address of ours was asked (Linux).
void cws_tell_asked_addresses(int descriptor, uint8_t version);
/// Lets the system hand over runs of datagrams as one (UDP_GRO); -1 where it cannot.
int cws_join_datagrams(int descriptor);
/// True where the system takes runs of datagrams as one (UDP_SEGMENT).
int cws_can_split_datagrams(int descriptor);
/// The two ECN bits of all that leaves from now on.
int cws_mark_datagrams(int descriptor, uint8_t version, uint8_t ecn);

enum {
    /// What is not longer arrives in `small`, anything else in `large`.
    CWS_SMALL_DATAGRAM = 2048,
    CWS_MOST_INCOMING = 16,
    CWS_MOST_OUTGOING = 32,
};

/// One datagram, or a run of datagrams from one peer.
struct cws_incoming {
    /// Room for `CWS_SMALL_DATAGRAM` bytes, and for 65,536: given by the caller.
    void *small;
    void *large;
    struct cws_address peer;
    /// The address of ours that was asked; version 0 if nobody says.
    struct cws_address asked;
    size_t length;
    /// Of each datagram of a run but the last, which may be shorter; 0 for a single one.
    uint32_t segment;
    /// Where a link-local peer is; 0 for all others.
    uint32_t interface;
    uint8_t ecn;
    /// It was longer than there was room.
    uint8_t is_cut;
};

/// One datagram, or a run of datagrams to one peer.
struct cws_outgoing {
    size_t offset;
    size_t length;
    struct cws_address peer;
    struct cws_address from;
    uint32_t segment;
    uint32_t interface;
};

/// Receives what is there: at most `count` (`CWS_MOST_INCOMING`) datagrams or runs of at most `most` bytes. Fewer mean that
/// there are no more, or that an error is to come. Returns how many.
int cws_receive_datagrams(int descriptor, struct cws_incoming *incoming, int count, size_t most);
/// Sends up to `CWS_MOST_OUTGOING` datagrams or runs; a version of 0 is the peer that the socket is connected to, or no
/// address in particular. Returns how many were taken; -1 and the reason if not even the first.
int cws_send_datagrams(int descriptor, const void *bytes, const struct cws_outgoing *outgoing, int count);

/// Names the calling thread and gives it the priority of the process. A thread inherits both from its maker, which may
/// be a worker of a thread pool that has others.
void cws_become_thread(const char *name);

/// Puts the null device where standard input, output or error is closed, so that no later descriptor takes its number.
/// To be called before anything else opens one.
void cws_open_standard_descriptors(void);
/// Broken pipes and sockets are errors of the calls that find them, never a signal that ends the process.
void cws_ignore_broken_pipes(void);
/// How many descriptors the process may have open; INT64_MAX for no limit.
int64_t cws_descriptor_limit(void);
/// Raises that limit to what the system lets the process have, at most to `most`. Returns what it is then.
int64_t cws_raise_descriptor_limit(int64_t most);

/// What the system says of a file behind every link. Times in nanoseconds: of the last change of what is said of it, and of
/// its content.
typedef struct {
    uint64_t device, number;
    int64_t size;
    uint32_t mode;
    int64_t changed, modified;
    int is_directory, is_file;
} cws_file_facts;
int cws_facts_of_file(const char *path, cws_file_facts *facts);
/// Bytes in the file of a descriptor; -1 for anything but a file.
int64_t cws_size_of_file(int descriptor);
/// Which socket is at a path, links not followed; -1 where there is none.
int cws_socket_at(const char *path, uint64_t *device, uint64_t *number);

/// True where bytes can go from socket to socket through a pipe without passing through this process.
int cws_can_splice(void);
/// A pipe of about `size` bytes.
int cws_pipe(int ends[2], int size);
/// Moves up to `count` bytes between a socket and a pipe without blocking.
ssize_t cws_splice(int from, int to, size_t count);

#endif
