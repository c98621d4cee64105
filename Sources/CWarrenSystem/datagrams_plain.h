// SPDX-License-Identifier: Apache-2.0
//
// One datagram a call, for systems without more. They are not asked for marks or for the address of ours that was asked.

int cws_datagram_socket(uint8_t version) { return no_block(socket(version == 4 ? AF_INET : AF_INET6, SOCK_DGRAM, 0)); }

void cws_set_up_datagrams(int descriptor, uint8_t version, int buffer) {
    // The system refuses what is too much for it: less is better than its default.
    for (int size = buffer; size >= 1 << 18 && cws_set_option(descriptor, SOL_SOCKET, SO_RCVBUF, size) < 0;) size /= 2;
    for (int size = buffer; size >= 1 << 18 && cws_set_option(descriptor, SOL_SOCKET, SO_SNDBUF, size) < 0;) size /= 2;
#if defined(IP_DONTFRAG)
    if (version == 4) (void)cws_set_option(descriptor, IPPROTO_IP, IP_DONTFRAG, 1);
#endif
#if defined(IPV6_DONTFRAG)
    if (version == 6) (void)cws_set_option(descriptor, IPPROTO_IPV6, IPV6_DONTFRAG, 1);
#endif
    (void)version;
}

void cws_let_fragment(int descriptor, uint8_t version) {
#if defined(IP_DONTFRAG)
    if (version == 4) (void)cws_set_option(descriptor, IPPROTO_IP, IP_DONTFRAG, 0);
#endif
#if defined(IPV6_DONTFRAG)
    if (version == 6) (void)cws_set_option(descriptor, IPPROTO_IPV6, IPV6_DONTFRAG, 0);
#endif
    (void)descriptor;
    (void)version;
}

void cws_tell_asked_addresses(int descriptor, uint8_t version) {
    (void)descriptor;
    (void)version;
}

int cws_join_datagrams(int descriptor) {
    (void)descriptor;
    errno = ENOTSUP;
    return -1;
}

int cws_can_split_datagrams(int descriptor) {
    (void)descriptor;
    return 0;
}

int cws_mark_datagrams(int descriptor, uint8_t version, uint8_t ecn) {
#if defined(IPV6_TCLASS)
    if (version == 6) return cws_set_option(descriptor, IPPROTO_IPV6, IPV6_TCLASS, ecn);
#endif
    (void)version;
    return cws_set_option(descriptor, IPPROTO_IP, IP_TOS, ecn);
}

static int receive_datagram(int descriptor, struct cws_incoming *incoming, size_t most) {
    size_t small = most < CWS_SMALL_DATAGRAM ? most : CWS_SMALL_DATAGRAM;
    struct iovec pieces[2] = {{incoming->small, small}, {(char *)incoming->large + CWS_SMALL_DATAGRAM, most - small}};
    union any_address peer;
    memset(&peer, 0, sizeof peer);
    struct msghdr message = {
        .msg_name = &peer, .msg_namelen = sizeof peer, .msg_iov = pieces, .msg_iovlen = most > small ? 2 : 1};
    ssize_t length = recvmsg(descriptor, &message, 0);
    if (length < 0) return -1;
    memset(&incoming->asked, 0, sizeof incoming->asked);
    incoming->peer = from_system(&peer);
    incoming->interface = 0;
    incoming->length = (size_t)length;
    incoming->segment = 0;
    incoming->ecn = 0;
    incoming->is_cut = (message.msg_flags & MSG_TRUNC) != 0;
    if (incoming->length > CWS_SMALL_DATAGRAM) memcpy(incoming->large, incoming->small, CWS_SMALL_DATAGRAM);
    return 0;
}

int cws_receive_datagrams(int descriptor, struct cws_incoming *incoming, int count, size_t most) {
    int received = 0;
    while (received < count && receive_datagram(descriptor, &incoming[received], most) == 0) received++;
    return received > 0 || count <= 0 ? received : -1;
}

int cws_send_datagrams(int descriptor, const void *bytes, const struct cws_outgoing *outgoing, int count) {
    int sent = 0;
    for (; sent < count; sent++) {
        const struct cws_outgoing *one = &outgoing[sent];
        union any_address peer;
        socklen_t length = one->peer.version == 0 ? 0 : to_system(one->peer, &peer);
        const char *start = (const char *)bytes + one->offset;
        if (sendto(descriptor, start, one->length, 0, length == 0 ? NULL : &peer.any, length) < 0) break;
    }
    return sent > 0 || count <= 0 ? sent : -1;
}
