/* Who is who in signalling: whom each message that arrives is from, and what he may do with it. docs/who-is-who.md has
 * the same in prose, with the reasons.
 *
 * An answer belongs to a request of ours by the branch of its top Via (RFC 3261 section 17.1.3), from whatever address.
 * A message in a dialog belongs by Call-ID and both tags (section 12.2.2), from whatever address when it ends the call
 * (BYE), and from the far end's or its server's when it changes what goes on in it: who has overheard the tags ends a
 * call at most. A message that begins something (INVITE, MESSAGE) belongs to an account when its Request-URI bears the account's key, which stood in the
 * Contact of its REGISTER and nowhere else, and when it came the way the account is reached: over its own kind of
 * transport, and over TCP and TLS on the connection that it registered on. An account may say instead that its server
 * is known by its address. What else a server asks for is answered at once and forgotten (489, 405, 481, OPTIONS 200).
 * Everything else gets no answer, is counted by its cause, and is dropped before it is parsed where that can be seen.
 *
 * Nothing is learned from what others write. Everything here runs in the one thread that owns PJSIP; patch 03 has the
 * hook for what is not yet parsed.
 */
#include <pjsip.h>
#include <pjsip_ua.h>
#include <pjsua-lib/pjsua.h>
#include <pjsua-lib/pjsua_internal.h>

/* Messages outside calls that one account's server may send: so many a second, and so many at once. A busy PBX sends
 * one or two; UDP's sender is easily forged, and a flood must not keep the door from its visitor. */
#define PER_SECOND 20
#define AT_ONCE 50

/* Branches of requests of ours that may still be answered. A visit that rings eight phones makes fifty of them, a quiet
 * hour 180; the oldest one gives way. */
#define BRANCHES 512

/* Connections at once, those that we have made among them. A door makes one for each account and each call at most; who
 * may connect at all may hold more, and each costs a descriptor that a call needs. */
#define CONNECTIONS 64

/* Addresses of one account's server. */
#define SERVERS 32

/* The parameter of a Contact's URI that bears the key. X-Lite and Zoiper have one of this name for the same purpose, so
 * servers have seen it. */
#define KEY_NAME "rinstance"
#define KEY_MIN 24

/* Why something was refused; ../intercom/engine/sip/rejections.py has the words. */
enum cause { STRANGER, CONNECTION, NO_ANSWER, NO_DIALOG, ELSEWHERE, NO_CONTACT, OTHER_WAY, BAD_VIA, AMBIGUOUS, FLOOD, CAUSES };

struct server {
    pj_sockaddr address;
    unsigned bits; /* how many of its bits count */
    int port;      /* 0: any */
};

struct account {
    pj_bool_t used;
    char key[64];            /* empty: its server was told none */
    int kind;                /* PJSIP_TRANSPORT_UDP, _TCP or _TLS */
    pj_bool_t by_address;    /* whether its server is known by its address alone */
    struct server servers[SERVERS];
    unsigned count;
    pj_uint64_t spent_until; /* ms; the budget, as the instant at which it is whole again */
};

static struct account accounts[PJSUA_MAX_ACC];
static pj_uint64_t branches[BRANCHES];
static unsigned newest;
static unsigned long refused[CAUSES];
static char refused_from[PJ_INET6_ADDRSTRLEN], refused_what[20];
static pjsip_module module;

static void refuse(enum cause cause, const pj_sockaddr_t *from, const char *data, pj_ssize_t size)
{
    pj_ssize_t i;
    ++refused[cause];
    pj_sockaddr_print(from, refused_from, sizeof(refused_from), 0);
    for (i = 0; i < size && i < (pj_ssize_t)sizeof(refused_what) - 1 && data[i] >= 'A' && data[i] <= 'Z'; ++i)
        refused_what[i] = data[i];
    refused_what[i] = '\0';
}

static pj_bool_t drop(enum cause cause, pjsip_rx_data *rdata)
{
    refuse(cause, &rdata->pkt_info.src_addr, rdata->msg_info.msg_buf, rdata->msg_info.len);
    return PJ_TRUE;
}

/* ---- addresses ---- */

static pj_bool_t same_host(const pj_sockaddr_t *one, const pj_sockaddr_t *other)
{
    return ((const pj_sockaddr*)one)->addr.sa_family == ((const pj_sockaddr*)other)->addr.sa_family &&
           pj_memcmp(pj_sockaddr_get_addr(one), pj_sockaddr_get_addr(other),
                     pj_sockaddr_get_addr_len(one)) == 0;
}

/* Read an IP address; a name is nobody's. */
static pj_bool_t parse_address(const pj_str_t *text, pj_sockaddr *address)
{
    int family = pj_strchr(text, ':') ? PJ_AF_INET6 : PJ_AF_INET;
    pj_bzero(address, sizeof(*address));
    address->addr.sa_family = (pj_uint16_t)family;
    return pj_inet_pton(family, text, pj_sockaddr_get_addr(address)) == PJ_SUCCESS;
}

static pj_bool_t is_within(const pj_sockaddr_t *address, const struct server *server)
{
    const unsigned char *one = (const unsigned char*)pj_sockaddr_get_addr(address);
    const unsigned char *other = (const unsigned char*)pj_sockaddr_get_addr(&server->address);
    unsigned whole = server->bits / 8, rest = server->bits % 8;
    return ((const pj_sockaddr*)address)->addr.sa_family == server->address.addr.sa_family &&
           pj_memcmp(one, other, whole) == 0 && (!rest || ((one[whole] ^ other[whole]) >> (8 - rest)) == 0);
}

/* Whether an address is one of an account's server; `exactly`: with its port. */
static pj_bool_t is_server(const struct account *account, const pj_sockaddr_t *address, pj_bool_t exactly)
{
    unsigned i;
    for (i = 0; i < account->count; ++i)
        if (is_within(address, &account->servers[i]) &&
            (!exactly || !account->servers[i].port || account->servers[i].port == pj_sockaddr_get_port(address)))
            return PJ_TRUE;
    return PJ_FALSE;
}

static int kind_of(const pjsip_transport *transport)
{
    return transport->key.type & ~PJSIP_TRANSPORT_IPV6;
}

/* The account whose server speaks from here; NULL for anybody else. A server that only its address identifies may use
 * any port, others over UDP the one that we send to. */
static struct account *server_at(const pj_sockaddr_t *from, int kind)
{
    unsigned i;
    for (i = 0; i < PJ_ARRAY_SIZE(accounts); ++i)
        if (accounts[i].used && accounts[i].kind == kind &&
            is_server(&accounts[i], from, kind == PJSIP_TRANSPORT_UDP && !accounts[i].by_address))
            return &accounts[i];
    return NULL;
}

/* ---- what nobody knows but who takes part ---- */

static pj_uint64_t fingerprint(const char *text, pj_ssize_t size)
{
    pj_uint64_t sum = 14695981039346656037ULL; /* FNV-1a */
    while (size-- > 0)
        sum = (sum ^ (unsigned char)*text++) * 1099511628211ULL;
    return sum;
}

static pj_bool_t is_our_branch(const pj_str_t *branch)
{
    pj_uint64_t sum = fingerprint(branch->ptr, branch->slen);
    unsigned i;
    for (i = 0; branch->slen > PJSIP_RFC3261_BRANCH_LEN && i < BRANCHES; ++i)
        if (branches[i] == sum)
            return PJ_TRUE;
    return PJ_FALSE;
}

static pj_bool_t is_our_tag(const pj_str_t *tag)
{
    unsigned i;
    for (i = 0; pjsua_var.calls && i < pjsua_var.ua_cfg.max_calls; ++i) {
        pjsip_inv_session *inv = pjsua_var.calls[i].inv;
        if (inv && inv->dlg && tag->slen && pj_strcmp(&inv->dlg->local.info->tag, tag) == 0)
            return PJ_TRUE;
    }
    return PJ_FALSE;
}

static pj_bool_t is_our_key(const pj_str_t *key)
{
    unsigned i;
    for (i = 0; i < PJ_ARRAY_SIZE(accounts); ++i)
        if (accounts[i].used && key->slen >= KEY_MIN && pj_strcmp2(key, accounts[i].key) == 0)
            return PJ_TRUE;
    return PJ_FALSE;
}

/* Whether a text has somewhere behind `mark` what `is_ours` knows. Only who knows it can have written it there; where in
 * the message it stands is looked at when that is parsed. */
static pj_bool_t holds(const char *data, pj_ssize_t size, const char *mark, pj_bool_t (*is_ours)(const pj_str_t*))
{
    pj_ssize_t length = (pj_ssize_t)pj_ansi_strlen(mark);
    const char *end = data + size, *at;
    for (at = data; end - at > length; ++at) {
        pj_str_t word;
        if (!(at = (const char*)memchr(at, mark[0], end - at)) || end - at <= length)
            return PJ_FALSE;
        if (pj_memcmp(at, mark, length) != 0)
            continue;
        word.ptr = (char*)at + length;
        for (word.slen = 0; word.ptr + word.slen < end; ++word.slen)
            if (!pj_isalnum(word.ptr[word.slen]) && !strchr("-._~!%*+'`", word.ptr[word.slen]))
                break;
        if (is_ours(&word))
            return PJ_TRUE;
    }
    return PJ_FALSE;
}

/* The account whose key a request bears; NULL for none. */
static struct account *addressed(const pjsip_msg *msg)
{
    const pj_str_t name = { KEY_NAME, sizeof(KEY_NAME) - 1 };
    pjsip_uri *uri = msg->line.req.uri;
    pjsip_param *bears;
    unsigned i;
    if (!uri || (!PJSIP_URI_SCHEME_IS_SIP(uri) && !PJSIP_URI_SCHEME_IS_SIPS(uri)))
        return NULL;
    bears = pjsip_param_find(&((pjsip_sip_uri*)pjsip_uri_get_uri(uri))->other_param, &name);
    for (i = 0; bears && bears->value.slen >= KEY_MIN && i < PJ_ARRAY_SIZE(accounts); ++i)
        if (accounts[i].used && pj_strcmp2(&bears->value, accounts[i].key) == 0)
            return &accounts[i];
    return NULL;
}

/* ---- before anything is parsed: the hook of patch 03 ---- */

/* Whether an address is the far end of a call that is up, or is being made. */
static pj_bool_t is_far_end(const pj_sockaddr_t *from)
{
    unsigned i;
    for (i = 0; pjsua_var.calls && i < pjsua_var.ua_cfg.max_calls; ++i) {
        pjsip_inv_session *inv = pjsua_var.calls[i].inv;
        if (inv && inv->dlg && inv->dlg->mod_data[module.id] && same_host(inv->dlg->mod_data[module.id], from))
            return PJ_TRUE;
    }
    return PJ_FALSE;
}

/* A connection (no data) is taken from where a server is or the far end of a call. A packet over UDP is read when it
 * comes from where a server sends, or when it holds what only who takes part knows. */
static pj_bool_t may_enter(const pjsip_transport *transport, const pj_sockaddr_t *from, const char *data,
                           pj_ssize_t size)
{
    if (!transport) {
        unsigned i;
        if (pjsip_tpmgr_held(pjsip_endpt_get_tpmgr(pjsua_var.endpt)) >= CONNECTIONS) {
            refuse(FLOOD, from, data, size);
            return PJ_FALSE;
        }
        for (i = 0; i < PJ_ARRAY_SIZE(accounts); ++i)
            if (accounts[i].used && is_server(&accounts[i], from, PJ_FALSE))
                return PJ_TRUE;
        if (is_far_end(from))
            return PJ_TRUE;
        refuse(CONNECTION, from, data, size);
        return PJ_FALSE;
    }
    if (kind_of(transport) != PJSIP_TRANSPORT_UDP || server_at(from, PJSIP_TRANSPORT_UDP))
        return PJ_TRUE;
    if (size > 8 && pj_memcmp(data, "SIP/2.0 ", 8) == 0) {
        if (holds(data, size, "branch=", &is_our_branch))
            return PJ_TRUE;
        refuse(NO_ANSWER, from, data, size);
        return PJ_FALSE;
    }
    if (holds(data, size, KEY_NAME "=", &is_our_key) || holds(data, size, "tag=", &is_our_tag))
        return PJ_TRUE;
    refuse(STRANGER, from, data, size);
    return PJ_FALSE;
}

/* ---- answers ---- */

/* A Contact with our own address in an answer to our INVITE was copied from that: the rest of the call belongs where the
 * answer came from, or it would be asked of ourselves. */
static void read_copied_contact(pjsip_rx_data *rdata)
{
    const pjsip_host_port *here = &rdata->tp_info.transport->local_name;
    pjsip_contact_hdr *contact = (pjsip_contact_hdr*)pjsip_msg_find_hdr(rdata->msg_info.msg, PJSIP_H_CONTACT, NULL);
    pjsip_sip_uri *uri = contact && contact->uri ? (pjsip_sip_uri*)pjsip_uri_get_uri(contact->uri) : NULL;
    if (!uri || rdata->msg_info.record_route || rdata->msg_info.cseq->method.id != PJSIP_INVITE_METHOD ||
        (!PJSIP_URI_SCHEME_IS_SIP(uri) && !PJSIP_URI_SCHEME_IS_SIPS(uri)) ||
        uri->port != here->port || pj_stricmp(&uri->host, &here->host) != 0)
        return;
    pj_strdup2(rdata->tp_info.pool, &uri->host, rdata->pkt_info.src_name);
    uri->port = rdata->pkt_info.src_port;
}

static pj_bool_t on_rx_response(pjsip_rx_data *rdata)
{
    if (!is_our_branch(&rdata->msg_info.via->branch_param))
        return drop(NO_ANSWER, rdata);
    read_copied_contact(rdata);
    return PJ_FALSE;
}

static pj_status_t on_tx_request(pjsip_tx_data *tdata)
{
    pjsip_via_hdr *via = (pjsip_via_hdr*)pjsip_msg_find_hdr(tdata->msg, PJSIP_H_VIA, NULL);
    pjsip_cid_hdr *call = (pjsip_cid_hdr*)pjsip_msg_find_hdr(tdata->msg, PJSIP_H_CALL_ID, NULL);
    pjsip_from_hdr *from = (pjsip_from_hdr*)pjsip_msg_find_hdr(tdata->msg, PJSIP_H_FROM, NULL);
    pjsip_to_hdr *to = (pjsip_to_hdr*)pjsip_msg_find_hdr(tdata->msg, PJSIP_H_TO, NULL);
    pjsip_dialog *dlg;
    if (via && via->branch_param.slen && !is_our_branch(&via->branch_param)) {
        newest = (newest + 1) % BRANCHES;
        branches[newest] = fingerprint(via->branch_param.ptr, via->branch_param.slen);
    }
    /* Where the far end of a call is. */
    if (call && from && to && (dlg = pjsip_ua_find_dialog(&call->id, &from->tag, &to->tag, PJ_FALSE)) != NULL) {
        if (!dlg->mod_data[module.id])
            dlg->mod_data[module.id] = pj_pool_zalloc(dlg->pool, sizeof(pj_sockaddr));
        pj_sockaddr_cp(dlg->mod_data[module.id], &tdata->tp_info.dst_addr);
    }
    return PJ_SUCCESS;
}

/* ---- requests ---- */

/* Whether a message has a header twice that it must have once (RFC 3261 section 20): its last From is PJSIP's caller,
 * and its first one may have been its server's. */
static pj_bool_t is_ambiguous(pjsip_msg *msg)
{
    static const pjsip_hdr_e once[] = { PJSIP_H_FROM, PJSIP_H_TO, PJSIP_H_CALL_ID, PJSIP_H_CSEQ };
    unsigned i;
    for (i = 0; i < PJ_ARRAY_SIZE(once); ++i) {
        pjsip_hdr *first = (pjsip_hdr*)pjsip_msg_find_hdr(msg, once[i], NULL);
        if (first && pjsip_msg_find_hdr(msg, once[i], first->next))
            return PJ_TRUE;
    }
    return PJ_FALSE;
}

/* Whether an answer would go elsewhere than where the request came from (RFC 3261 section 18.2.2, RFC 3581). PJSIP puts
 * the source's address into `received`, and its port into an empty `rport`; a value that came along stays. */
static pj_bool_t leads_elsewhere(const pjsip_rx_data *rdata)
{
    const pjsip_via_hdr *via = rdata->msg_info.via;
    return via->maddr_param.slen || (via->rport_param > 0 && via->rport_param != rdata->pkt_info.src_port);
}

/* Whether a transaction of a request is there: its retransmission, the ACK to its refusal, its CANCEL. */
static pj_bool_t has_transaction(pjsip_rx_data *rdata, const pjsip_method *method)
{
    pj_str_t key;
    return pjsip_tsx_create_key(rdata->tp_info.pool, &key, PJSIP_ROLE_UAS, method, rdata) == PJ_SUCCESS &&
           pjsip_tsx_layer_find_tsx(&key, PJ_FALSE) != NULL;
}

/* Whether a request in a dialog comes from where we send ours, from where the far end's Contact says, or from a server of
 * an account: it may change the sound, press keys, or send the far end elsewhere. */
static pj_bool_t is_of_far_end(const pjsip_dialog *dlg, const pjsip_rx_data *rdata)
{
    const pj_sockaddr *from = &rdata->pkt_info.src_addr, *spoken_to = (const pj_sockaddr*)dlg->mod_data[module.id];
    pj_sockaddr named;
    unsigned i;
    if (spoken_to && same_host(spoken_to, from))
        return PJ_TRUE;
    if (dlg->target && (PJSIP_URI_SCHEME_IS_SIP(dlg->target) || PJSIP_URI_SCHEME_IS_SIPS(dlg->target)) &&
        parse_address(&((pjsip_sip_uri*)pjsip_uri_get_uri(dlg->target))->host, &named) && same_host(&named, from))
        return PJ_TRUE;
    for (i = 0; i < PJ_ARRAY_SIZE(accounts); ++i)
        if (accounts[i].used && is_server(&accounts[i], from, PJ_FALSE))
            return PJ_TRUE;
    return PJ_FALSE;
}

/* Answer at once, and remember nothing (RFC 3261 section 8.2.7). */
static pj_bool_t respond(pjsip_rx_data *rdata, int code, pjsip_hdr *extra)
{
    pjsip_hdr list;
    pj_list_init(&list);
    if (extra)
        pj_list_push_back(&list, extra);
    pjsip_endpt_respond_stateless(pjsua_var.endpt, rdata, code, NULL, &list, NULL);
    return PJ_TRUE;
}

static pjsip_hdr *capability(pjsip_rx_data *rdata, int type)
{
    const pjsip_hdr *known = pjsip_endpt_get_capability(pjsua_var.endpt, type, NULL);
    return known ? (pjsip_hdr*)pjsip_hdr_clone(rdata->tp_info.pool, known) : NULL;
}

/* What a request insists on that we cannot do (RFC 3261 section 8.2.2.3), as a header for the answer; or NULL. */
static pjsip_hdr *beyond_us(pjsip_rx_data *rdata)
{
    pjsip_require_hdr *asked = NULL;
    pjsip_unsupported_hdr *found = NULL;
    unsigned i;
    while ((asked = (pjsip_require_hdr*)pjsip_msg_find_hdr(rdata->msg_info.msg, PJSIP_H_REQUIRE,
                                                           asked ? asked->next : NULL)) != NULL)
        for (i = 0; i < asked->count; ++i)
            if (!pjsip_endpt_has_capability(pjsua_var.endpt, PJSIP_H_SUPPORTED, NULL, &asked->values[i])) {
                if (!found)
                    found = pjsip_unsupported_hdr_create(rdata->tp_info.pool);
                if (found->count < PJSIP_GENERIC_ARRAY_MAX_COUNT)
                    found->values[found->count++] = asked->values[i];
            }
    return (pjsip_hdr*)found;
}

/* Whether a session shall be refreshed more often than we would (RFC 4028 section 8.1). PJSIP refuses that too, but only
 * after it has told of the call. */
static pj_bool_t is_too_short(pjsip_rx_data *rdata, unsigned least)
{
    const pj_str_t name = { "Session-Expires", 15 }, compact = { "x", 1 };
    pjsip_sess_expires_hdr *asked =
        (pjsip_sess_expires_hdr*)pjsip_msg_find_hdr_by_names(rdata->msg_info.msg, &name, &compact, NULL);
    return asked && asked->sess_expires < least;
}

/* Whether a server may ask for something more now (GCRA, ITU-T I.371: one instant instead of a bucket's level). */
static pj_bool_t spend(struct account *account)
{
    pj_time_val ticks;
    pj_uint64_t now;
    if (pj_gettickcount(&ticks) != PJ_SUCCESS)
        return PJ_TRUE;
    now = (pj_uint64_t)ticks.sec * 1000 + ticks.msec;
    if (account->spent_until < now)
        account->spent_until = now;
    if (account->spent_until - now > 1000 * AT_ONCE / PER_SECOND)
        return PJ_FALSE;
    account->spent_until += 1000 / PER_SECOND;
    return PJ_TRUE;
}

/* Whether a request came the way its account is reached. */
static pj_bool_t came_its_way(const struct account *account, const pjsip_rx_data *rdata)
{
    const pjsua_acc *known = &pjsua_var.acc[account - accounts];
    pjsip_regc_info info;
    if (kind_of(rdata->tp_info.transport) != account->kind)
        return PJ_FALSE;
    if (!PJSIP_TRANSPORT_IS_RELIABLE(rdata->tp_info.transport) || account->by_address)
        return PJ_TRUE;
    return known->regc && pjsip_regc_get_info(known->regc, &info) == PJ_SUCCESS &&
           info.transport == rdata->tp_info.transport;
}

/* The account that knows its server by the address alone and that a request is for: the one whose user is called, else
 * the first one. */
static struct account *by_address(pjsip_rx_data *rdata)
{
    struct account *found = NULL;
    pjsip_uri *uri = rdata->msg_info.msg->line.req.uri, *to = rdata->msg_info.to->uri;
    unsigned i;
    for (i = 0; i < PJ_ARRAY_SIZE(accounts); ++i) {
        const pj_str_t *user = &pjsua_var.acc[i].user_part;
        if (!accounts[i].used || !accounts[i].by_address || kind_of(rdata->tp_info.transport) != accounts[i].kind ||
            !is_server(&accounts[i], &rdata->pkt_info.src_addr, PJ_FALSE))
            continue;
        if (PJSIP_URI_SCHEME_IS_SIP(uri) || PJSIP_URI_SCHEME_IS_SIPS(uri))
            if (pj_strcmp(&((pjsip_sip_uri*)pjsip_uri_get_uri(uri))->user, user) == 0)
                return &accounts[i];
        if (PJSIP_URI_SCHEME_IS_SIP(to) || PJSIP_URI_SCHEME_IS_SIPS(to))
            if (pj_strcmp(&((pjsip_sip_uri*)pjsip_uri_get_uri(to))->user, user) == 0)
                found = &accounts[i];
        if (!found)
            found = &accounts[i];
    }
    return found;
}

/* The account that a request outside a dialog is for; NULL for none. */
static struct account *let_in(pjsip_rx_data *rdata)
{
    struct account *account = addressed(rdata->msg_info.msg);
    if (account)
        return came_its_way(account, rdata) ? account : NULL;
    return by_address(rdata);
}

/* An INVITE or a MESSAGE outside a dialog. `server` is the account whose server sent it, or NULL. */
static pj_bool_t on_beginning(pjsip_rx_data *rdata, struct account *server)
{
    struct account *account = let_in(rdata);
    pjsip_hdr *unknown;
    unsigned least;
    if (!account && addressed(rdata->msg_info.msg))
        return drop(OTHER_WAY, rdata);
    if (!account) {
        drop(NO_CONTACT, rdata);
        return server && spend(server) ? respond(rdata, PJSIP_SC_NOT_FOUND, NULL) : PJ_TRUE;
    }
    if (!spend(account))
        return drop(FLOOD, rdata);
    if ((unknown = beyond_us(rdata)) != NULL)
        return respond(rdata, PJSIP_SC_BAD_EXTENSION, unknown);
    least = pjsua_var.acc[account - accounts].cfg.timer_setting.min_se;
    if (rdata->msg_info.msg->line.req.method.id == PJSIP_INVITE_METHOD && is_too_short(rdata, least)) {
        pjsip_min_se_hdr *told = pjsip_min_se_hdr_create(rdata->tp_info.pool);
        told->min_se = least;
        return respond(rdata, PJSIP_SC_SESSION_TIMER_TOO_SMALL, (pjsip_hdr*)told);
    }
    return PJ_FALSE;
}

/* Any other request outside a dialog that the server sent. */
static pj_bool_t on_question(pjsip_rx_data *rdata)
{
    const pjsip_method *method = &rdata->msg_info.msg->line.req.method;
    static const char *const in_dialogs[] = { "BYE", "CANCEL", "INFO", "NOTIFY", "PRACK", "UPDATE" };
    unsigned i;
    if (method->id == PJSIP_OPTIONS_METHOD)
        return PJ_FALSE;
    if (pj_strcmp2(&method->name, "SUBSCRIBE") == 0)
        return respond(rdata, PJSIP_SC_BAD_EVENT, NULL);
    for (i = 0; i < PJ_ARRAY_SIZE(in_dialogs); ++i)
        if (pj_strcmp2(&method->name, in_dialogs[i]) == 0)
            return respond(rdata, PJSIP_SC_CALL_TSX_DOES_NOT_EXIST, NULL);
    return respond(rdata, PJSIP_SC_METHOD_NOT_ALLOWED, capability(rdata, PJSIP_H_ALLOW));
}

static pj_bool_t on_rx_request(pjsip_rx_data *rdata)
{
    const pjsip_method *method = &rdata->msg_info.msg->line.req.method;
    const pj_str_t *ours = &rdata->msg_info.to->tag, *theirs = &rdata->msg_info.from->tag;
    struct account *server;
    pjsip_dialog *dlg;
    pjsip_hdr *unknown;
    if (is_ambiguous(rdata->msg_info.msg))
        return drop(AMBIGUOUS, rdata);
    if (leads_elsewhere(rdata))
        return drop(BAD_VIA, rdata);
    /* What belongs to a request that was let in. */
    if (has_transaction(rdata, method) ||
        ((method->id == PJSIP_CANCEL_METHOD || method->id == PJSIP_ACK_METHOD) &&
         has_transaction(rdata, pjsip_get_invite_method())))
        return PJ_FALSE;
    if (ours->slen && (dlg = pjsip_ua_find_dialog(&rdata->msg_info.cid->id, ours, theirs, PJ_FALSE)) != NULL) {
        if (method->id != PJSIP_ACK_METHOD && method->id != PJSIP_BYE_METHOD && !is_of_far_end(dlg, rdata))
            return drop(ELSEWHERE, rdata);
        if (method->id != PJSIP_ACK_METHOD && (unknown = beyond_us(rdata)) != NULL)
            return respond(rdata, PJSIP_SC_BAD_EXTENSION, unknown);
        return PJ_FALSE;
    }
    server = addressed(rdata->msg_info.msg);
    if (!server || !came_its_way(server, rdata))
        server = server_at(&rdata->pkt_info.src_addr, kind_of(rdata->tp_info.transport));
    if (ours->slen || method->id == PJSIP_ACK_METHOD) {
        if (!server)
            return drop(NO_DIALOG, rdata);
        if (method->id == PJSIP_ACK_METHOD) /* To what was refused and forgotten. */
            return PJ_TRUE;
        return spend(server) ? respond(rdata, PJSIP_SC_CALL_TSX_DOES_NOT_EXIST, NULL) : drop(FLOOD, rdata);
    }
    if (method->id == PJSIP_INVITE_METHOD || pj_strcmp2(&method->name, "MESSAGE") == 0)
        return on_beginning(rdata, server);
    if (!server)
        return drop(STRANGER, rdata);
    return spend(server) ? on_question(rdata) : drop(FLOOD, rdata);
}

/* The account that a request was let in for (pjsip_rx_data, or a copy of it), or -1. */
PJ_DEF(int) gate_let_in(pjsip_rx_data *rdata);
PJ_DEF(int) gate_let_in(pjsip_rx_data *rdata)
{
    const struct account *account = let_in(rdata);
    return account ? (int)(account - accounts) : -1;
}

/* PJSUA's own choice goes by names; the account that let a request in is known here. */
static void on_account(const pjsip_rx_data *rdata, pjsua_acc_id *id)
{
    int account = gate_let_in((pjsip_rx_data*)rdata);
    if (account >= 0)
        *id = account;
}

/* Between the transports (8) and the transactions (16), so that a refused request begins none. */
static pjsip_module module = {
    NULL, NULL, { "gate", 4 }, -1, PJSIP_MOD_PRIORITY_TSX_LAYER - 1,
    NULL, NULL, NULL, NULL,
    &on_rx_request, &on_rx_response, &on_tx_request, NULL, NULL
};

/* ---- the way there and back ---- */

/* Have an address that names no transport be reached the way its message came, when that was a connection. By the letter
 * (RFC 3263 section 4.1) it is UDP's, which the far end may not have; and what came by TLS must not go on in the clear. */
static void keep_transport(pjsip_uri *address, const pjsip_rx_data *rdata)
{
    pjsip_transport *by = rdata->tp_info.transport;
    pjsip_sip_uri *uri;
    if (!address || !PJSIP_URI_SCHEME_IS_SIP(address) || !PJSIP_TRANSPORT_IS_RELIABLE(by))
        return;
    uri = (pjsip_sip_uri*)pjsip_uri_get_uri(address);
    if (uri->transport_param.slen)
        return;
    uri->transport_param = PJSIP_TRANSPORT_IS_SECURE(by) ? pj_str("tls") : pj_str("tcp");
    /* The port is UDP's too. */
    if (pj_stricmp2(&uri->host, rdata->pkt_info.src_name) == 0)
        uri->port = rdata->pkt_info.src_port;
}

/* The same for where the dialog of a message leads: to the proxy that is next to us, or else to its Contact. */
static void keep_transport_of_dialog(pjsip_rx_data *rdata, pj_bool_t is_answer)
{
    pjsip_msg *msg = rdata->msg_info.msg;
    pjsip_hdr *hdr, *route = NULL;
    pjsip_contact_hdr *contact;
    for (hdr = msg->hdr.next; hdr != &msg->hdr; hdr = hdr->next)
        if (hdr->type == PJSIP_H_RECORD_ROUTE && (!route || is_answer))
            route = hdr; /* an answer has the next one last (RFC 3261 section 12.1.2) */
    if (route) {
        keep_transport((pjsip_uri*)&((pjsip_rr_hdr*)route)->name_addr, rdata);
        return;
    }
    contact = (pjsip_contact_hdr*)pjsip_msg_find_hdr(msg, PJSIP_H_CONTACT, NULL);
    if (contact && !contact->star)
        keep_transport(contact->uri, rdata);
}

static pj_bool_t way_of_request(pjsip_rx_data *rdata)
{
    keep_transport_of_dialog(rdata, PJ_FALSE);
    return PJ_FALSE;
}

static pj_bool_t way_of_answer(pjsip_rx_data *rdata)
{
    /* The Contacts of a REGISTER's answer are ours, and a redirection's are other people's. */
    if (rdata->msg_info.cseq->method.id != PJSIP_REGISTER_METHOD && rdata->msg_info.msg->line.status.code < 300)
        keep_transport_of_dialog(rdata, PJ_TRUE);
    return PJ_FALSE;
}

/* Behind the gate, and before the transactions and dialogs. */
static pjsip_module way = {
    NULL, NULL, { "way", 3 }, -1, PJSIP_MOD_PRIORITY_TSX_LAYER - 1,
    NULL, NULL, NULL, NULL,
    &way_of_request, &way_of_answer, NULL, NULL, NULL
};

/* ---- for ../intercom/engine/sip/native.py ---- */

/* Close the gate; after pjsua_init(). Returns PJSIP's status. */
PJ_DEF(pj_status_t) gate_close(void);
PJ_DEF(pj_status_t) gate_close(void)
{
    pj_status_t status;
    pjsip_rx_gate = &may_enter;
    pjsua_var.ua_cfg.cb.on_acc_find_for_incoming = &on_account;
    status = pjsip_endpt_register_module(pjsua_get_pjsip_endpt(), &module);
    return status == PJ_SUCCESS ? pjsip_endpt_register_module(pjsua_get_pjsip_endpt(), &way) : status;
}

/* Open it for an account: its key (at least 24 characters, or empty), its kind of transport (1 UDP, 2 TCP, 3 TLS), and
 * whether its server is known by its address. Returns 0 when there is no such account. */
PJ_DEF(int) gate_account(int id, const char *key, int kind, int by_address);
PJ_DEF(int) gate_account(int id, const char *key, int kind, int by_address)
{
    if (id < 0 || id >= (int)PJ_ARRAY_SIZE(accounts) || pj_ansi_strlen(key) >= sizeof(accounts[id].key))
        return 0;
    pj_bzero(&accounts[id], sizeof(accounts[id]));
    accounts[id].used = PJ_TRUE;
    accounts[id].kind = kind;
    accounts[id].by_address = by_address;
    pj_ansi_strxcpy(accounts[id].key, key, sizeof(accounts[id].key));
    return 1;
}

/* How an account offers sound from its next call on: the address of ours that it names (empty: PJSIP's choice), PJSUA's
 * word for the kind of address, and whether TURN and ICE are tried. pjsua_acc_modify() would do it too, and would forget
 * the Contact by which the server sees us: behind NAT no BYE came back. */
PJ_DEF(void) gate_media(int id, const char *address, int ipv6_media_use, int turn, int ice);
PJ_DEF(void) gate_media(int id, const char *address, int ipv6_media_use, int turn, int ice)
{
    pjsua_acc *acc;
    if (id < 0 || id >= (int)PJ_ARRAY_SIZE(accounts) || !pjsua_acc_is_valid(id))
        return;
    acc = &pjsua_var.acc[id];
    if (pj_strcmp2(&acc->cfg.rtp_cfg.public_addr, address) != 0)
        pj_strdup2_with_null(acc->pool, &acc->cfg.rtp_cfg.public_addr, address);
    acc->cfg.ipv6_media_use = ipv6_media_use;
    acc->cfg.turn_cfg.enable_turn = turn;
    acc->cfg.ice_cfg.enable_ice = ice;
}

/* Forget all addresses of an account's server. */
PJ_DEF(void) gate_forget(int id);
PJ_DEF(void) gate_forget(int id)
{
    if (id >= 0 && id < (int)PJ_ARRAY_SIZE(accounts))
        accounts[id].count = 0;
}

/* An address of an account's server: an IP address, how many of its bits count (0: all), and a port (0: any). Returns 0
 * when it is none, or one too many. */
PJ_DEF(int) gate_server(int id, const char *address, unsigned bits, int port);
PJ_DEF(int) gate_server(int id, const char *address, unsigned bits, int port)
{
    pj_str_t text = pj_str((char*)address);
    unsigned most = pj_strchr(&text, ':') ? 128 : 32;
    struct server *server;
    if (id < 0 || id >= (int)PJ_ARRAY_SIZE(accounts) || accounts[id].count == SERVERS || bits > most)
        return 0;
    server = &accounts[id].servers[accounts[id].count];
    if (!parse_address(&text, &server->address))
        return 0;
    server->bits = bits ? bits : most;
    server->port = port;
    ++accounts[id].count;
    return 1;
}

/* Put in the addresses of an account's server that are whole ones; return how many. media.c has the use of it. */
PJ_DEF(unsigned) gate_hosts(int id, pj_sockaddr hosts[], unsigned room);
PJ_DEF(unsigned) gate_hosts(int id, pj_sockaddr hosts[], unsigned room)
{
    unsigned i, count = 0;
    if (id < 0 || id >= (int)PJ_ARRAY_SIZE(accounts))
        return 0;
    for (i = 0; i < accounts[id].count && count < room; ++i)
        if (accounts[id].servers[i].bits == 8 * pj_sockaddr_get_addr_len(&accounts[id].servers[i].address))
            pj_sockaddr_cp(&hosts[count++], &accounts[id].servers[i].address);
    return count;
}

/* How much was refused so far for a cause (`enum cause`); who sent the last of all, and what. */
PJ_DEF(unsigned long) gate_refused(unsigned cause, const char **from, const char **what);
PJ_DEF(unsigned long) gate_refused(unsigned cause, const char **from, const char **what)
{
    *from = refused_from;
    *what = refused_what;
    return cause < CAUSES ? refused[cause] : 0;
}

/* One address of a header, as PJSIP has parsed it: nothing in it is encoded any more but backslashes in the name. */
struct party {
    pj_str_t name, user, host;
    int scheme; /* 1 sip, 2 sips, 3 tel, 0 another one */
};

static pj_bool_t take_party(struct party *party, pjsip_uri *address)
{
    pjsip_uri *uri = address ? (pjsip_uri*)pjsip_uri_get_uri(address) : NULL;
    if (!uri)
        return PJ_FALSE;
    pj_bzero(party, sizeof(*party));
    /* PJSIP keeps From, To and each Contact as a name and an address, also where no name was given. */
    party->name = ((pjsip_name_addr*)address)->display;
    if (PJSIP_URI_SCHEME_IS_SIP(uri) || PJSIP_URI_SCHEME_IS_SIPS(uri)) {
        party->scheme = PJSIP_URI_SCHEME_IS_SIPS(uri) ? 2 : 1;
        party->user = ((pjsip_sip_uri*)uri)->user;
        party->host = ((pjsip_sip_uri*)uri)->host;
    } else if (PJSIP_URI_SCHEME_IS_TEL(uri)) {
        party->scheme = 3;
        party->user = ((pjsip_tel_uri*)uri)->number;
        party->host = ((pjsip_tel_uri*)uri)->context;
    }
    return PJ_TRUE;
}

/* The addresses in all headers of a name of a message that is being handled (pjsip_rx_data), at most so many; how many
 * they are. A header that is no list of addresses counts as one address of no scheme. */
PJ_DEF(unsigned) gate_parties(pjsip_rx_data *rdata, const char *name, struct party *found, unsigned most);
PJ_DEF(unsigned) gate_parties(pjsip_rx_data *rdata, const char *name, struct party *found, unsigned most)
{
    pj_str_t wanted = pj_str((char*)name), contact = pj_str("Contact");
    pjsip_hdr *hdr = NULL;
    unsigned count = 0;
    if (pj_stricmp2(&wanted, "From") == 0)
        return most && rdata->msg_info.from && take_party(found, rdata->msg_info.from->uri);
    while (count < most &&
           (hdr = (pjsip_hdr*)pjsip_msg_find_hdr_by_name(rdata->msg_info.msg, &wanted, hdr ? hdr->next : NULL))) {
        /* What PJSIP knows no name for it keeps as it came; a list of addresses is written as in Contact. */
        pj_str_t value;
        pjsip_contact_hdr *list, *each;
        pj_strdup_with_null(rdata->tp_info.pool, &value, &((pjsip_generic_string_hdr*)hdr)->hvalue);
        list = each = (pjsip_contact_hdr*)pjsip_parse_hdr(rdata->tp_info.pool, &contact, value.ptr, value.slen, NULL);
        if (!list)
            pj_bzero(&found[count++], sizeof(*found));
        while (each && count < most) {
            if (!each->star && take_party(&found[count], each->uri))
                ++count;
            each = each->next == list ? NULL : each->next;
        }
    }
    return count;
}

/* The transport that a message came by (pjsip_rx_data), by the same handle as PJSUA2's onTransportState names it. */
PJ_DEF(void*) gate_transport(pjsip_rx_data *rdata);
PJ_DEF(void*) gate_transport(pjsip_rx_data *rdata)
{
    return rdata ? rdata->tp_info.transport : NULL;
}

/* ---- what the other side of ctypes has to know of C ---- */

#define AT(TYPE, FIELD) { #TYPE "." #FIELD, offsetof(TYPE, FIELD) }
#define SIZE(TYPE) { #TYPE, sizeof(TYPE) }

static const struct layout { const char *what; size_t is; } LAYOUTS[] = {
    AT(pj_str_t, ptr), AT(pj_str_t, slen), SIZE(pj_str_t),
    AT(pj_time_val, sec), AT(pj_time_val, msec), SIZE(pj_time_val),
    AT(pjsip_host_info, flag), AT(pjsip_host_info, type), AT(pjsip_host_info, addr.host),
    AT(pjsip_host_info, addr.port), SIZE(pjsip_host_info),
    AT(pjsip_ext_resolver, resolve), SIZE(pjsip_ext_resolver),
    AT(struct party, name), AT(struct party, user), AT(struct party, host), AT(struct party, scheme),
    SIZE(struct party),
};

/* Where a field is in a structure, or how large that is, as the compiler has it; NULL after the last. In *is the bytes. */
PJ_DEF(const char*) gate_layout(unsigned index, unsigned *is);
PJ_DEF(const char*) gate_layout(unsigned index, unsigned *is)
{
    if (index >= PJ_ARRAY_SIZE(LAYOUTS))
        return NULL;
    *is = (unsigned)LAYOUTS[index].is;
    return LAYOUTS[index].what;
}

/* Have a call to a sips: address go on where the phone's Contact begins with sip:. */
PJ_DEF(void) gate_any_contact(void);
PJ_DEF(void) gate_any_contact(void)
{
    pjsip_cfg()->endpt.disable_secure_dlg_check = PJ_TRUE;
}
