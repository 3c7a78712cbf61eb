/* What we send over UDP stays below 1,300 bytes where that can be had (RFC 3261 section 18.1.1).
 *
 * What is larger leaves in fragments, which many routers drop: the call times out, and the registration is well. Such a
 * message loses step by step, and no further than it has to, what the other side knows without it: lines of SDP that say
 * the default, the names of numbers that RFC 3551 has given, who made us, the methods that we know, the long names of
 * headers, the second choice of a cipher. What was agreed on stays as PJSIP has it; only what is printed is shorter.
 *
 * Everything here runs in the one thread that owns PJSIP.
 */
#include <pjsip.h>
#include <pjmedia/sdp.h>
#include <pjsua-lib/pjsua.h>

#define LARGEST 1299
#define STEPS   6
#define LAST_STATIC 34          /* RFC 3551 section 6: from 35 on a number means what its rtpmap says */

/* The bytes that a message takes; 0 when it cannot be printed. */
static int size_of(pjsip_msg *msg)
{
    static char text[PJSIP_MAX_PKT_LEN];
    const pj_ssize_t size = pjsip_msg_print(msg, text, sizeof(text));
    return size > 0 ? (int)size : 0;
}

static void drop(pjsip_msg *msg, const char *name, const char *value)
{
    char text[256]; /* printers keep some room to themselves */
    const pj_str_t wanted = pj_str((char*)name);
    pjsip_hdr *hdr = (pjsip_hdr*)pjsip_msg_find_hdr_by_name(msg, &wanted, NULL);
    int size;

    if (!hdr)
        return;
    if (value) {
        size = pjsip_hdr_print_on(hdr, text, sizeof(text) - 1);
        if (size < 1)
            return;
        text[size] = 0;
        if (!strstr(text, value))
            return;
    }
    pj_list_erase(hdr);
}

/* The name beside the address in our Contact, which is in From as well. */
static void plain_contact(pjsip_msg *msg)
{
    pjsip_contact_hdr *contact = (pjsip_contact_hdr*)pjsip_msg_find_hdr(msg, PJSIP_H_CONTACT, NULL);

    if (contact && !contact->star && contact->uri && PJSIP_URI_SCHEME_IS_SIP(contact->uri))
        ((pjsip_name_addr*)contact->uri)->display.slen = 0;
}

static pjmedia_sdp_session *description(const pjsip_msg *msg)
{
    const pjsip_msg_body *body = msg->body;

    /* A body that PJSIP has made of a description has no length before it is printed. */
    if (!body || body->len || !body->data || pj_stricmp2(&body->content_type.type, "application") ||
        pj_stricmp2(&body->content_type.subtype, "sdp"))
        return NULL;
    return (pjmedia_sdp_session*)body->data;
}

/* Whether RTCP is where it is without a word: on the port after RTP's (RFC 3550 section 11). */
static pj_bool_t is_next_port(const pjmedia_sdp_media *m, const pjmedia_sdp_attr *attr)
{
    return pj_strtoul(&attr->value) == m->desc.port + 1UL;
}

/* Whether a line says what holds without it (RFC 8866 section 6.7, RFC 4733 section 2.4.1). Of RTCP's address only the
 * port is looked at: it is that of RTP in everything we offer. */
static pj_bool_t is_default(const pjmedia_sdp_media *m, const pjmedia_sdp_attr *attr)
{
    const pj_str_t keys = { " 0-16", 5 };

    return pj_strcmp2(&attr->name, "sendrecv") == 0 ||
           (pj_strcmp2(&attr->name, "rtcp") == 0 && is_next_port(m, attr)) ||
           (pj_strcmp2(&attr->name, "fmtp") == 0 && pj_strstr(&attr->value, &keys) != NULL);
}

static pj_bool_t is_known_number(const pjmedia_sdp_media *m, const pjmedia_sdp_attr *attr)
{
    PJ_UNUSED_ARG(m);
    return pj_strcmp2(&attr->name, "rtpmap") == 0 && pj_strtoul(&attr->value) <= LAST_STATIC;
}

static pj_bool_t is_second_cipher(const pjmedia_sdp_media *m, const pjmedia_sdp_attr *attr)
{
    unsigned i;

    for (i = 0; i < m->attr_count && m->attr[i] != attr; ++i)
        if (pj_strcmp2(&m->attr[i]->name, "crypto") == 0)
            return pj_strcmp2(&attr->name, "crypto") == 0;
    return PJ_FALSE;
}

static void thin(pjsip_msg *msg, pj_bool_t (*is_needless)(const pjmedia_sdp_media*, const pjmedia_sdp_attr*))
{
    pjmedia_sdp_session *sdp = description(msg);
    unsigned i, j;

    for (i = 0; sdp && i < sdp->media_count; ++i) {
        pjmedia_sdp_media *m = sdp->media[i];
        for (j = m->attr_count; j-- > 0;)
            if (is_needless(m, m->attr[j]))
                pj_array_erase(m->attr, sizeof(m->attr[0]), m->attr_count--, j);
    }
}

static void shorten(pjsip_msg *msg, int step)
{
    pjmedia_sdp_session *sdp = description(msg);

    switch (step) {
    case 0:
        thin(msg, &is_default);
        break;
    case 1:
        thin(msg, &is_known_number);
        break;
    case 2:
        drop(msg, "User-Agent", NULL);
        drop(msg, "Min-SE", ": 90"); /* RFC 4028 section 5: the least, where nothing is said */
        plain_contact(msg);
        if (sdp)
            sdp->name = pj_str("-");
        break;
    case 3:
        drop(msg, "Allow", NULL);
        break;
    case 4:
        /* Late, because not all who should read short names do. */
        pjsip_cfg()->endpt.use_compact_form = PJ_TRUE;
        break;
    case 5:
        thin(msg, &is_second_cipher);
        break;
    }
}

static pj_status_t on_tx(pjsip_tx_data *tdata)
{
    int step;

    if (pjsip_tx_data_is_valid(tdata))
        return PJ_SUCCESS; /* sent again as it was */
    pjsip_cfg()->endpt.use_compact_form = PJ_FALSE;
    if (!tdata->tp_info.transport || PJSIP_TRANSPORT_IS_RELIABLE(tdata->tp_info.transport))
        return PJ_SUCCESS;
    for (step = 0; step < STEPS && size_of(tdata->msg) > LARGEST; ++step)
        shorten(tdata->msg, step);
    return PJ_SUCCESS;
}

/* Right before a message is printed (8), and behind whatever adds to it. */
static pjsip_module module = {
    NULL, NULL, { "short", 5 }, -1, PJSIP_MOD_PRIORITY_TRANSPORT_LAYER + 1,
    NULL, NULL, NULL, NULL, NULL, NULL, &on_tx, &on_tx, NULL
};

/* Take something out of what we say that we can do. */
static void forgo(int type, const char *value)
{
    pjsip_generic_array_hdr *hdr =
        (pjsip_generic_array_hdr*)pjsip_endpt_get_capability(pjsua_get_pjsip_endpt(), type, NULL);
    unsigned i;

    for (i = 0; hdr && i < hdr->count; ++i)
        if (pj_stricmp2(&hdr->values[i], value) == 0)
            pj_array_erase(hdr->values, sizeof(hdr->values[0]), hdr->count--, i--);
}

/* Have the rule above hold; after pjsua_init(). Returns PJSIP's status. */
PJ_DEF(pj_status_t) short_open(void);
PJ_DEF(pj_status_t) short_open(void)
{
    /* All of these are refused (../intercom/engine/sip/call.py): a far end that reads that they are not may try. */
    forgo(PJSIP_H_ALLOW, "SUBSCRIBE");
    forgo(PJSIP_H_ALLOW, "NOTIFY");
    forgo(PJSIP_H_ALLOW, "REFER");
    forgo(PJSIP_H_SUPPORTED, "replaces");
    forgo(PJSIP_H_SUPPORTED, "norefersub");
    return pjsip_endpt_register_module(pjsua_get_pjsip_endpt(), &module);
}
