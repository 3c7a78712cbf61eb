/* Who may speak SIP to the door: its accounts' servers, and the far ends of its own calls.
 *
 * A stranger's packet is dropped before it is parsed, his TCP connection before it is read: no
 * answer, no transaction, no line in a log, and no parser to attack. What is known is learned from
 * what the door sends: whom it sends REGISTER or OPTIONS is a server; whom it sends any other
 * request, or whose Contact came in an INVITE or its answer, is a peer. A peer may answer, and may
 * send requests inside a call that is his; a server may send anything, but of what begins something only so
 * much a second: UDP's sender is easily forged, and a flood must not keep the door from its visitor.
 *
 * Everything here runs in the one thread that owns PJSIP; patch 03 has the hook.
 */
#include <pjsip.h>
#include <pjsip_ua.h>
#include <pjsua-lib/pjsua.h>

/* Where an old entry makes room for a new one. A door talks to a handful. */
#define KNOWN 64

/* Requests outside any call that one server may send: so many a second, and so many at once. A busy PBX sends
 * one or two; each call that is refused costs a record. */
#define PER_SECOND 20
#define AT_ONCE 50

struct known {
    pj_sockaddr address;
    pj_bool_t server;
    unsigned long used;
    pj_uint64_t spent_until; /* ms; the budget of requests outside calls, as the instant at which it is whole again */
};

static struct known known[KNOWN];
static unsigned long turn, refused;
static char refused_from[PJ_INET6_ADDRSTRLEN], refused_what[20];

static pj_bool_t same_host(const pj_sockaddr_t *one, const pj_sockaddr_t *other)
{
    return ((const pj_sockaddr*)one)->addr.sa_family == ((const pj_sockaddr*)other)->addr.sa_family &&
           pj_memcmp(pj_sockaddr_get_addr(one), pj_sockaddr_get_addr(other),
                     pj_sockaddr_get_addr_len(one)) == 0;
}

static struct known *find(const pj_sockaddr_t *address)
{
    unsigned i;
    for (i = 0; i < KNOWN; ++i)
        if (known[i].used && same_host(&known[i].address, address))
            return &known[i];
    return NULL;
}

/* Note an address; the entry that was used longest ago gives way, peers before servers. */
static void learn(const pj_sockaddr_t *address, pj_bool_t server)
{
    struct known *entry = find(address);
    unsigned i;
    if (!entry) {
        entry = &known[0];
        for (i = 1; i < KNOWN; ++i)
            if (known[i].server != entry->server ? entry->server : known[i].used < entry->used)
                entry = &known[i];
        pj_bzero(entry, sizeof(*entry));
        pj_sockaddr_cp(&entry->address, address);
    }
    entry->server = entry->server || server;
    entry->used = ++turn;
}

/* Note an IP address given as text; a name is nobody's address. */
static pj_bool_t learn_text(const pj_str_t *text, pj_bool_t server)
{
    pj_sockaddr address;
    int families[] = { PJ_AF_INET, PJ_AF_INET6 };
    unsigned i;
    for (i = 0; i < 2; ++i) {
        pj_bzero(&address, sizeof(address));
        address.addr.sa_family = (pj_uint16_t)families[i];
        if (pj_inet_pton(families[i], text, pj_sockaddr_get_addr(&address)) == PJ_SUCCESS) {
            learn(&address, server);
            return PJ_TRUE;
        }
    }
    return PJ_FALSE;
}

static void refuse(const pj_sockaddr_t *from, const char *data, pj_ssize_t size)
{
    pj_ssize_t i;
    ++refused;
    pj_sockaddr_print(from, refused_from, sizeof(refused_from), 0);
    for (i = 0; i < size && i < (pj_ssize_t)sizeof(refused_what) - 1 && data[i] >= 'A' && data[i] <= 'Z'; ++i)
        refused_what[i] = data[i];
    refused_what[i] = '\0';
}

/* The hook of patch 03. */
static pj_bool_t may_enter(const pj_sockaddr_t *from, const char *data, pj_ssize_t size)
{
    if (find(from))
        return PJ_TRUE;
    refuse(from, data, size);
    return PJ_FALSE;
}

static pjsip_module module;

/* The dialog that a message belongs to, or NULL. The tags are as we see them. */
static pjsip_dialog *dialog(const pjsip_cid_hdr *call, const pj_str_t *ours, const pj_str_t *theirs)
{
    return ours->slen ? pjsip_ua_find_dialog(&call->id, ours, theirs, PJ_FALSE) : NULL;
}

static void learn_contact(pjsip_msg *msg)
{
    pjsip_contact_hdr *contact = (pjsip_contact_hdr*)pjsip_msg_find_hdr(msg, PJSIP_H_CONTACT, NULL);
    if (contact && contact->uri && (PJSIP_URI_SCHEME_IS_SIP(contact->uri) || PJSIP_URI_SCHEME_IS_SIPS(contact->uri)))
        learn_text(&((pjsip_sip_uri*)pjsip_uri_get_uri(contact->uri))->host, PJ_FALSE);
}

/* Whether a request inside a dialog comes from where we send ours, or from where its Contact says. */
static pj_bool_t is_far_end(pjsip_dialog *dlg, pjsip_rx_data *rdata)
{
    const pj_sockaddr *spoken_to = (const pj_sockaddr*)dlg->mod_data[module.id];
    if (spoken_to && same_host(spoken_to, &rdata->pkt_info.src_addr))
        return PJ_TRUE;
    return dlg->target && (PJSIP_URI_SCHEME_IS_SIP(dlg->target) || PJSIP_URI_SCHEME_IS_SIPS(dlg->target)) &&
           pj_stricmp2(&((pjsip_sip_uri*)pjsip_uri_get_uri(dlg->target))->host, rdata->pkt_info.src_name) == 0;
}

/* Whether a server may begin something more now (GCRA, ITU-T I.371: one instant instead of a bucket's level). */
static pj_bool_t spend(struct known *server)
{
    pj_time_val ticks;
    pj_uint64_t now;
    if (pj_gettickcount(&ticks) != PJ_SUCCESS)
        return PJ_TRUE;
    now = (pj_uint64_t)ticks.sec * 1000 + ticks.msec;
    if (server->spent_until < now)
        server->spent_until = now;
    if (server->spent_until - now > 1000 * AT_ONCE / PER_SECOND)
        return PJ_FALSE;
    server->spent_until += 1000 / PER_SECOND;
    return PJ_TRUE;
}

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

static pj_bool_t on_rx_request(pjsip_rx_data *rdata)
{
    struct known *sender = find(&rdata->pkt_info.src_addr);
    const pjsip_method *method = &rdata->msg_info.msg->line.req.method;
    pjsip_dialog *dlg = dialog(rdata->msg_info.cid, &rdata->msg_info.to->tag, &rdata->msg_info.from->tag);
    if (is_ambiguous(rdata->msg_info.msg)) {
        /* Nobody's. */
    } else if (sender && sender->server) {
        /* A CANCEL or an ACK ends what was let in. */
        if (dlg || method->id == PJSIP_CANCEL_METHOD || method->id == PJSIP_ACK_METHOD || spend(sender)) {
            if (method->id == PJSIP_INVITE_METHOD)
                learn_contact(rdata->msg_info.msg);
            return PJ_FALSE;
        }
    } else if (dlg && is_far_end(dlg, rdata)) {
        return PJ_FALSE;
    }
    refuse(&rdata->pkt_info.src_addr, rdata->msg_info.msg_buf, rdata->msg_info.len);
    return PJ_TRUE;
}

static pj_bool_t on_rx_response(pjsip_rx_data *rdata)
{
    if (rdata->msg_info.cseq->method.id == PJSIP_INVITE_METHOD)
        learn_contact(rdata->msg_info.msg);
    return PJ_FALSE;
}

static pj_status_t on_tx_request(pjsip_tx_data *tdata)
{
    const pjsip_method *method = &tdata->msg->line.req.method;
    pjsip_cid_hdr *call = (pjsip_cid_hdr*)pjsip_msg_find_hdr(tdata->msg, PJSIP_H_CALL_ID, NULL);
    pjsip_from_hdr *from = (pjsip_from_hdr*)pjsip_msg_find_hdr(tdata->msg, PJSIP_H_FROM, NULL);
    pjsip_to_hdr *to = (pjsip_to_hdr*)pjsip_msg_find_hdr(tdata->msg, PJSIP_H_TO, NULL);
    pjsip_dialog *dlg;
    if (!call || !from || !to)
        return PJ_SUCCESS;
    learn(&tdata->tp_info.dst_addr,
          to->tag.slen == 0 && (method->id == PJSIP_REGISTER_METHOD || method->id == PJSIP_OPTIONS_METHOD));
    dlg = dialog(call, &from->tag, &to->tag);
    if (dlg) {
        if (!dlg->mod_data[module.id])
            dlg->mod_data[module.id] = pj_pool_zalloc(dlg->pool, sizeof(pj_sockaddr));
        pj_sockaddr_cp(dlg->mod_data[module.id], &tdata->tp_info.dst_addr);
    }
    return PJ_SUCCESS;
}

/* Between the transports (8) and the transactions (16), so that a refused request begins none. */
static pjsip_module module = {
    NULL, NULL, { "gate", 4 }, -1, PJSIP_MOD_PRIORITY_TSX_LAYER - 1,
    NULL, NULL, NULL, NULL,
    &on_rx_request, &on_rx_response, &on_tx_request, NULL, NULL
};

/* Close the gate to strangers; after pjsua_init(). Returns PJSIP's status. */
PJ_DEF(pj_status_t) gate_close(void);
PJ_DEF(pj_status_t) gate_close(void)
{
    pjsip_rx_gate = &may_enter;
    return pjsip_endpt_register_module(pjsua_get_pjsip_endpt(), &module);
}

/* Let this IP address in as a server. Returns 0 when it is none. */
PJ_DEF(int) gate_trust(const char *address);
PJ_DEF(int) gate_trust(const char *address)
{
    pj_str_t text = pj_str((char*)address);
    return learn_text(&text, PJ_TRUE);
}

/* How many packets, requests and connections were refused so far; who sent the last one, and what. */
PJ_DEF(unsigned long) gate_refused(const char **from, const char **what);
PJ_DEF(unsigned long) gate_refused(const char **from, const char **what)
{
    *from = refused_from;
    *what = refused_what;
    return refused;
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
