/* From which hosts the sound of a call may come besides the one in its SDP; and figures that PJSIP does not give.
 *
 * A phone behind NAT names an address in its SDP that leads nowhere, and is heard from another one. Which one may count
 * is said by what only its signalling tells: where that came from, and where its Contact leads, with the `alias` that a
 * proxy adds for a phone behind NAT (Kamailio's set_contact_alias()). The account's server may have one address for its
 * signalling and another one for its sound, so all of its addresses count. No other host is heard, however early.
 * This machine itself (127.0.0.1) counts only where the SDP names it: a registrar beside the door has its signalling
 * there, and so may every user of the machine.
 *
 * Everything here runs in the one thread that owns PJSIP; patch 04 has the hook.
 */
#include <pjsip.h>
#include <pjsip_ua.h>
#include <pjsua-lib/pjsua.h>
#include <pjsua-lib/pjsua_internal.h>
#include <pjmedia/stream_common.h>

PJ_DECL(unsigned) gate_hosts(int id, pj_sockaddr hosts[], unsigned room);

static pjsip_module module;

/* Note where a message of this dialog came from. */
static void came_from(pjsip_dialog *dlg, const pj_sockaddr *source)
{
    if (!dlg)
        return;
    if (!dlg->mod_data[module.id])
        dlg->mod_data[module.id] = pj_pool_zalloc(dlg->pool, sizeof(pj_sockaddr));
    pj_sockaddr_cp(dlg->mod_data[module.id], source);
}

static pj_bool_t on_rx_request(pjsip_rx_data *rdata)
{
    const pj_str_t *ours = &rdata->msg_info.to->tag;
    const pjsip_method_e method = rdata->msg_info.msg->line.req.method.id;

    /* The gate takes these two from any address. */
    if (ours->slen && method != PJSIP_ACK_METHOD && method != PJSIP_BYE_METHOD)
        came_from(pjsip_ua_find_dialog(&rdata->msg_info.cid->id, ours, &rdata->msg_info.from->tag, PJ_FALSE),
                  &rdata->pkt_info.src_addr);
    return PJ_FALSE;
}

static pj_bool_t on_rx_response(pjsip_rx_data *rdata)
{
    pj_str_t key;
    pjsip_transaction *tsx;
    if (pjsip_tsx_create_key(rdata->tp_info.pool, &key, PJSIP_ROLE_UAC, &rdata->msg_info.cseq->method, rdata) ==
        PJ_SUCCESS && (tsx = pjsip_tsx_layer_find_tsx(&key, PJ_FALSE)) != NULL)
        came_from(pjsip_tsx_get_dlg(tsx), &rdata->pkt_info.src_addr);
    return PJ_FALSE;
}

/* Before the transactions (16), and behind the gate, which was registered first. */
static pjsip_module module = {
    NULL, NULL, { "media", 5 }, -1, PJSIP_MOD_PRIORITY_TSX_LAYER - 1,
    NULL, NULL, NULL, NULL,
    &on_rx_request, &on_rx_response, NULL, NULL, NULL
};

/* Put an address in if it is one, in brackets or not; a name is not looked up. */
static unsigned put(pj_sockaddr hosts[], unsigned count, unsigned room, pj_str_t text)
{
    const int families[] = { PJ_AF_INET, PJ_AF_INET6 };
    unsigned i;

    if (text.slen > 2 && text.ptr[0] == '[' && text.ptr[text.slen - 1] == ']') {
        ++text.ptr;
        text.slen -= 2;
    }
    for (i = 0; i < 2 && count < room; ++i) {
        pj_bzero(&hosts[count], sizeof(hosts[count]));
        hosts[count].addr.sa_family = (pj_uint16_t)families[i];
        if (pj_inet_pton(families[i], &text, pj_sockaddr_get_addr(&hosts[count])) == PJ_SUCCESS)
            return count + 1;
    }
    return count;
}

/* Take those out that are this machine itself; return how many are left. */
static unsigned elsewhere(pj_sockaddr hosts[], unsigned count)
{
    unsigned i, kept = 0;

    for (i = 0; i < count; ++i) {
        static const unsigned char loopback6[16] = { [15] = 1 };
        const pj_bool_t here = hosts[i].addr.sa_family == PJ_AF_INET6
                                   ? pj_memcmp(pj_sockaddr_get_addr(&hosts[i]), loopback6, sizeof(loopback6)) == 0
                                   : hosts[i].ipv4.sin_addr.s_addr == pj_htonl(0x7F000001);
        if (!here)
            pj_sockaddr_cp(&hosts[kept++], &hosts[i]);
    }
    return kept;
}

static unsigned named_by(pjsua_call_id id, pj_sockaddr hosts[], unsigned room);

/* The hook of patch 04. */
static unsigned hosts_of(pjsua_call_id id, pj_sockaddr hosts[], unsigned room)
{
    return elsewhere(hosts, named_by(id, hosts, room));
}

/* Put in the hosts that a call's signalling names. */
static unsigned named_by(pjsua_call_id id, pj_sockaddr hosts[], unsigned room)
{
    const pj_str_t alias = { "alias", 5 };
    pjsua_call *call = &pjsua_var.calls[id];
    pjsip_dialog *dlg = call->inv ? call->inv->dlg : NULL;
    const pj_sockaddr *source;
    pjsip_sip_uri *uri;
    pjsip_param *param;
    unsigned count = 0;

    if (!dlg)
        return 0;
    source = (const pj_sockaddr*)dlg->mod_data[module.id];
    if (source && room)
        pj_sockaddr_cp(&hosts[count++], source);
    count += gate_hosts(call->acc_id, hosts + count, room - 3); /* three are for the lines around this one */
    if (!dlg->remote.contact || !dlg->remote.contact->uri ||
        !(PJSIP_URI_SCHEME_IS_SIP(dlg->remote.contact->uri) || PJSIP_URI_SCHEME_IS_SIPS(dlg->remote.contact->uri)))
        return count;
    uri = (pjsip_sip_uri*)pjsip_uri_get_uri(dlg->remote.contact->uri);
    count = put(hosts, count, room, uri->host);
    param = pjsip_param_find(&uri->other_param, &alias);
    if (param) {
        /* ADDRESS~PORT~TRANSPORT, an address of IPv6 in brackets. */
        const char *end = (const char*)memchr(param->value.ptr, '~', param->value.slen);
        pj_str_t address = param->value;
        if (end)
            address.slen = end - address.ptr;
        count = put(hosts, count, room, address);
    }
    return count;
}

/* Have the rule above hold; after gate_close(). Returns PJSIP's status. */
PJ_DEF(pj_status_t) media_open(void);
PJ_DEF(pj_status_t) media_open(void)
{
    pjsua_call_hosts = &hosts_of;
    return pjsip_endpt_register_module(pjsua_get_pjsip_endpt(), &module);
}

/* Counts since a call's stream began: RTP and RTCP packets of the far end, RTP packets of others, key events that
 * could not be read; whether the last packet was comfort noise; and how many packets in a row could not be decrypted.
 * Returns 0 when there is no stream. */
PJ_DEF(int) media_figures(int id, unsigned *received, unsigned *reports, unsigned *strangers, unsigned *unread_keys,
                          unsigned *pausing, unsigned *sealed);
PJ_DEF(int) media_figures(int id, unsigned *received, unsigned *reports, unsigned *strangers, unsigned *unread_keys,
                          unsigned *pausing, unsigned *sealed)
{
    pjsua_call *call;
    unsigned i;

    if (id < 0 || id >= (int)pjsua_var.ua_cfg.max_calls)
        return 0;
    call = &pjsua_var.calls[id];
    for (i = 0; i < call->med_cnt; ++i) {
        const pjsua_call_media *media = &call->media[i];
        const pjmedia_stream_common *stream = (const pjmedia_stream_common*)media->strm.a.stream;

        if (media->type != PJMEDIA_TYPE_AUDIO || !stream)
            continue;
        *received = stream->rtcp.stat.rx.pkt;
        *reports = stream->reports;
        *pausing = stream->pausing;
        *strangers = stream->strangers;
        *unread_keys = stream->unread_keys;
        *sealed = media->tp ? pjmedia_transport_srtp_sealed(media->tp) : 0;
        return 1;
    }
    return 0;
}
