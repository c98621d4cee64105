// SPDX-License-Identifier: Apache-2.0

#include <netinet/udp.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#ifndef SOL_UDP
#define SOL_UDP 17
#endif

static int switch_on(int descriptor, int level, int name) { return cws_set_option(descriptor, level, name, 1); }

static void set_buffer(int descriptor, int forced, int name, int size) {
    // Beyond what the system allows everybody, if we may; else as much as it gives.
    if (cws_set_option(descriptor, SOL_SOCKET, forced, size) < 0) (void)cws_set_option(descriptor, SOL_SOCKET, name, size);
}

int cws_datagram_socket(uint8_t version) {
    return socket(version == 4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

void cws_set_up_datagrams(int descriptor, uint8_t version, int buffer) {
    set_buffer(descriptor, SO_RCVBUFFORCE, SO_RCVBUF, buffer);
    set_buffer(descriptor, SO_SNDBUFFORCE, SO_SNDBUF, buffer);
    // IPv6 sockets take IPv4 as well, and ask for its options under its own names.
    (void)switch_on(descriptor, IPPROTO_IP, IP_RECVTOS);
    (void)cws_set_option(descriptor, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
    if (version == 4) return;
    (void)switch_on(descriptor, IPPROTO_IPV6, IPV6_RECVTCLASS);
    (void)cws_set_option(descriptor, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO);
}

void cws_let_fragment(int descriptor, uint8_t version) {
    (void)cws_set_option(descriptor, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
    if (version == 6) (void)cws_set_option(descriptor, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT);
}

void cws_tell_asked_addresses(int descriptor, uint8_t version) {
    (void)switch_on(descriptor, IPPROTO_IP, IP_PKTINFO);
    if (version != 4) (void)switch_on(descriptor, IPPROTO_IPV6, IPV6_RECVPKTINFO);
}

int cws_join_datagrams(int descriptor) { return switch_on(descriptor, SOL_UDP, UDP_GRO); }

int cws_can_split_datagrams(int descriptor) { return cws_set_option(descriptor, SOL_UDP, UDP_SEGMENT, 0) == 0; }

int cws_mark_datagrams(int descriptor, uint8_t version, uint8_t ecn) {
    int made = cws_set_option(descriptor, IPPROTO_IP, IP_TOS, ecn);
    return version == 4 ? made : cws_set_option(descriptor, IPPROTO_IPV6, IPV6_TCLASS, ecn);
}

// MARK: - Receiving

static int is_link_local(const struct cws_address *address) {
    return address->version == 6 && address->high >> 54 == 0xFE80 >> 6;
}

static void read_control(struct msghdr *message, struct cws_incoming *incoming) {
    int asked_v4 = 0;
    for (struct cmsghdr *entry = CMSG_FIRSTHDR(message); entry != NULL; entry = CMSG_NXTHDR(message, entry)) {
        const unsigned char *data = CMSG_DATA(entry);
        int level = entry->cmsg_level, type = entry->cmsg_type;
        if (level == SOL_UDP && type == UDP_GRO) {
            int segment = 0;
            memcpy(&segment, data, sizeof segment);
            if (segment > 0) incoming->segment = (uint32_t)segment;
        } else if (level == IPPROTO_IP && type == IP_TOS) {
            incoming->ecn = data[0] & 3;
        } else if (level == IPPROTO_IPV6 && type == IPV6_TCLASS) {
            int traffic_class = 0;
            memcpy(&traffic_class, data, sizeof traffic_class);
            incoming->ecn = (uint8_t)(traffic_class & 3);
        } else if (level == IPPROTO_IP && type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, data, sizeof info);
            // The address of ours to answer from, also where a broadcast was asked. Mapped, as its peer's is.
            uint64_t address = ntohl(info.ipi_spec_dst.s_addr);
            incoming->asked.version = incoming->peer.version;
            incoming->asked.high = 0;
            incoming->asked.low = incoming->peer.version == 4 ? address : (uint64_t)0xFFFF << 32 | address;
            asked_v4 = 1;
        } else if (level == IPPROTO_IPV6 && type == IPV6_PKTINFO && !asked_v4) {
            struct in6_pktinfo info;
            memcpy(&info, data, sizeof info);
            union any_address system = {.v6 = {.sin6_family = AF_INET6, .sin6_addr = info.ipi6_addr}};
            incoming->asked = from_system(&system);
            if (is_link_local(&incoming->peer)) incoming->interface = (uint32_t)info.ipi6_ifindex;
        }
    }
}

int cws_receive_datagrams(int descriptor, struct cws_incoming *incoming, int count, size_t most) {
    struct mmsghdr messages[CWS_MOST_INCOMING];
    struct iovec pieces[CWS_MOST_INCOMING][2];
    union any_address peers[CWS_MOST_INCOMING];
    _Alignas(struct cmsghdr) char control[CWS_MOST_INCOMING][192];
    if (count > CWS_MOST_INCOMING) count = CWS_MOST_INCOMING;
    size_t small = most < CWS_SMALL_DATAGRAM ? most : CWS_SMALL_DATAGRAM;
    for (int i = 0; i < count; i++) {
        pieces[i][0] = (struct iovec){incoming[i].small, small};
        pieces[i][1] = (struct iovec){(char *)incoming[i].large + CWS_SMALL_DATAGRAM, most - small};
        memset(&messages[i], 0, sizeof messages[i]);
        memset(&peers[i], 0, sizeof peers[i]);
        messages[i].msg_hdr.msg_name = &peers[i];
        messages[i].msg_hdr.msg_namelen = sizeof peers[i];
        messages[i].msg_hdr.msg_iov = pieces[i];
        messages[i].msg_hdr.msg_iovlen = most > small ? 2 : 1;
        messages[i].msg_hdr.msg_control = control[i];
        messages[i].msg_hdr.msg_controllen = sizeof control[i];
    }
    int received = recvmmsg(descriptor, messages, (unsigned)count, MSG_DONTWAIT, NULL);
    for (int i = 0; i < received; i++) {
        struct cws_incoming *one = &incoming[i];
        one->peer = from_system(&peers[i]);
        memset(&one->asked, 0, sizeof one->asked);
        one->interface = 0;
        one->length = messages[i].msg_len;
        one->segment = 0;
        one->ecn = 0;
        one->is_cut = (messages[i].msg_hdr.msg_flags & MSG_TRUNC) != 0;
        read_control(&messages[i].msg_hdr, one);
        if (one->length > CWS_SMALL_DATAGRAM) memcpy(one->large, one->small, CWS_SMALL_DATAGRAM);
    }
    return received;
}

// MARK: - Sending

static void add_control(struct msghdr *message, size_t *used, int level, int type, const void *data, size_t size) {
    struct cmsghdr *entry = (struct cmsghdr *)((char *)message->msg_control + *used);
    entry->cmsg_level = level;
    entry->cmsg_type = type;
    entry->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(entry), data, size);
    *used += CMSG_SPACE(size);
}

static void write_control(struct msghdr *message, char *space, size_t size, const struct cws_outgoing *outgoing) {
    size_t used = 0;
    memset(space, 0, size);
    message->msg_control = space;
    if (outgoing->segment > 0) {
        uint16_t segment = (uint16_t)outgoing->segment;
        add_control(message, &used, SOL_UDP, UDP_SEGMENT, &segment, sizeof segment);
    }
    if (outgoing->from.version == 4) {
        struct in_pktinfo info = {.ipi_spec_dst.s_addr = htonl((uint32_t)outgoing->from.low)};
        add_control(message, &used, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    } else if (outgoing->from.version == 6) {
        union any_address system;
        (void)to_system(outgoing->from, &system);
        struct in6_pktinfo info = {.ipi6_addr = system.v6.sin6_addr, .ipi6_ifindex = outgoing->interface};
        add_control(message, &used, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
    }
    message->msg_controllen = used;
    if (used == 0) message->msg_control = NULL;
}

int cws_send_datagrams(int descriptor, const void *bytes, const struct cws_outgoing *outgoing, int count) {
    struct mmsghdr messages[CWS_MOST_OUTGOING];
    struct iovec pieces[CWS_MOST_OUTGOING];
    union any_address peers[CWS_MOST_OUTGOING];
    _Alignas(struct cmsghdr) char control[CWS_MOST_OUTGOING][96];
    if (count > CWS_MOST_OUTGOING) count = CWS_MOST_OUTGOING;
    for (int i = 0; i < count; i++) {
        struct msghdr *message = &messages[i].msg_hdr;
        memset(&messages[i], 0, sizeof messages[i]);
        pieces[i] = (struct iovec){(char *)bytes + outgoing[i].offset, outgoing[i].length};
        message->msg_iov = &pieces[i];
        message->msg_iovlen = 1;
        if (outgoing[i].peer.version != 0) {
            message->msg_namelen = to_system(outgoing[i].peer, &peers[i]);
            message->msg_name = &peers[i];
        }
        write_control(message, control[i], sizeof control[i], &outgoing[i]);
    }
    if (count == 1) return sendmsg(descriptor, &messages[0].msg_hdr, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -1 : 1;
    return sendmmsg(descriptor, messages, (unsigned)count, MSG_DONTWAIT | MSG_NOSIGNAL);
}
