/* Compile-time profile of PJSIP for the door station. Read by every source file of pjproject.
 * Each line differs from pjproject's own default for the reason given.
 */

/* A door without a picture: no video code at all. */
#define PJMEDIA_HAS_VIDEO               0

/* Both address families: some providers and some home networks are IPv6 only. */
#define PJ_HAS_IPV6                     1

/* What a configuration may have at most, and the sockets for it: the same numbers as in intercom/limits.py, and a
 * test holds them together. 32 accounts and one for direct calls (default 8); two stages of 64 phones, since call
 * slots are recycled and one should rest before it is used again (default 4); a transport for each account with a
 * certificate of its own (8 in PJSIP's source). */
#define PJSUA_MAX_ACC                   33
#define PJSUA_MAX_CALLS                 128
#define PJSUA_MAX_TRANSPORTS            38

/* A call takes two sockets, and a socket's place is free again only half a second after its end: the default of 64 places
 * refuses calls as soon as some twenty come and go within a second. epoll has no limit of its own. */
#define PJ_IOQUEUE_MAX_HANDLES          1024

/* Chime, ring-back, prompts: players are cheap, and a refused one would be a silent door. */
#define PJSUA_MAX_PLAYERS               16
#define PJSUA_MAX_RECORDERS             8

/* Encrypted speech also towards WebRTC-like peers: DTLS-SRTP besides SDES (default 0). */
#define PJMEDIA_SRTP_HAS_DTLS           1

/* Never move a request from UDP to TCP because it grew above 1300 bytes: many home PBXs do not
 * listen on TCP, and the call would be lost (default 0). */
#define PJSIP_DONT_SWITCH_TO_TCP        1

/* No TLS from outside: a door has no certificate to show, and its server calls it through the
 * connection that it registered over (default 0). */
#define PJSIP_TLS_TRANSPORT_DONT_CREATE_LISTENER 1

/* Keep the way through a router open while we have nothing to say. */
#define PJMEDIA_STREAM_ENABLE_KA        PJMEDIA_STREAM_KA_EMPTY_RTP

/* A PBX may put long routes, identities and SDP into one message; the default of 4000 bytes drops
 * it without a word. */
#define PJSIP_MAX_PKT_LEN               8000

/* A trace shows the whole of it: one message is one entry of the log, with a line before it (default 4000).
 * It lies on the stack of whoever logs, and all our threads have the usual 8 MB. */
#define PJ_LOG_MAX_SIZE                 (PJSIP_MAX_PKT_LEN + 500)

/* G.722 at the level of everybody else. Its two lowest bits are not of PCM's 16, says PJSIP, and takes
 * 12 dB off and on (default 2, 1). Others (baresip, whatever is made of spandsp) take 6: the phone was
 * 6 dB too faint, the door 5 dB too loud, and loud words changed the level for the rest of the call. */
#define PJMEDIA_G722_DEFAULT_PCM_SHIFT  1
#define PJMEDIA_G722_STOP_PCM_SHIFT_ON_CLIPPING 0

/* No b= lines: what they said was the codec's most (Opus: 96 kbit/s and 117 with headers, where 51 are sent), and call
 * admission refused for nothing (default 1). */
#define PJMEDIA_ADD_BANDWIDTH_TIAS_IN_SDP 0

/* No compiler chatter about upstream's own to-do list. */
#define PJ_TODO(x)

/* Answer the last challenge of a server at once, with the next number of its nonce (RFC 7616 sections 3.3, 3.4): each
 * renewal without an answer would be a failed login, of which some servers ban the address (default 0). */
#define PJSIP_AUTH_AUTO_SEND_NEXT       1

/* A server that refuses our answer to an old nonce gets one to its new one, and no third (default 3). */
#define PJSIP_MAX_STALE_COUNT           2
