/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a far end says of its sound (SDP), put into plain words before PJSIP reads it.
 *
 * RFC 8866 is old, long, and written by everybody in his own way. PJSIP refuses a whole call, or lets its sound die, for
 * an attribute that the sound does not need: an SSRC without a name, an RTCP port that is none, a candidate that nobody
 * can look up. Here a description is read once, line by line, and written anew: of it only what the door makes use of
 * goes on, each in the one spelling that PJSIP knows, in the order of RFC 8866 section 5. What is broken or unknown is as
 * if it had not been said; what the sound cannot do without (an address, a port, a codec) decides as ever whether there
 * is a call. Media other than sound is declined in its place.
 *
 * Pure but for what we can speak: text in, text out, no allocation. Never more is written than fits.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define MOST_MEDIA      16      /* PJMEDIA_MAX_SDP_MEDIA */
#define MOST_FORMATS    24      /* below PJMEDIA_MAX_SDP_FMT */
#define MOST_CANDIDATES 14      /* below PJ_ICE_MAX_CAND */
#define MOST_KEYS       6
#define MOST_PRINTS     4
#define NOWHERE         "c=IN IP4 127.0.0.1\r\n"     /* of a medium with port 0: PJSIP wants an address of that, too */

typedef struct Span { const char *at; int len; } Span;

typedef struct Out { char *at; int room, len; } Out;

/* A codec of ours, or the keys of a telephone. */
typedef struct Format { int number, rate, channels, place; const char *name; Span fmtp; } Format;

/* Attributes that may stand in the session's part, and count for each medium that has none of its own. */
typedef struct Shared {
    Span address, ufrag, pwd, setup, prints[MOST_PRINTS];
    const char *direction;
    int six, named, held, print_count, lite;
} Shared;

/* Whether there was a stream that we can speak, in the clear and encrypted; and whether one counts whose address is a
 * name, which may lead nowhere. */
typedef struct Voices { int plain, secure, names_too; } Voices;

/* Which of the codecs in format_of() are spoken, one bit each, and over which kinds of address: as a rule all. */
#define SPOKEN_4 16
#define SPOKEN_6 32
static unsigned spoken = ~0u;

static const char *const DIRECTIONS[] = { "sendrecv", "sendonly", "recvonly", "inactive" };

static void put(Out *out, const char *format, ...)
{
    va_list list;
    int wrote;

    va_start(list, format);
    wrote = vsnprintf(out->at + out->len, out->room - out->len, format, list);
    va_end(list);
    /* A line that does not fit is none. */
    if (wrote > 0 && wrote < out->room - out->len)
        out->len += wrote;
}

static int is(Span span, const char *word)
{
    return span.len == (int)strlen(word) && strncasecmp(span.at, word, span.len) == 0;
}

static int all(Span span, const char *more)
{
    int i;

    for (i = 0; i < span.len; i++)
        if (!isalnum((unsigned char)span.at[i]) && (!span.at[i] || !strchr(more, span.at[i])))
            return 0;
    return span.len > 0;
}

/* Take the next word off a line; blanks and tabs of any number part words. */
static Span word(Span *line)
{
    Span found;

    while (line->len > 0 && (*line->at == ' ' || *line->at == '\t'))
        line->at++, line->len--;
    found.at = line->at;
    while (line->len > 0 && *line->at != ' ' && *line->at != '\t')
        line->at++, line->len--;
    found.len = (int)(line->at - found.at);
    return found;
}

/* Take what is before a character off a line; all of it when it is not there. */
static Span until(Span *line, char stop)
{
    Span found = *line;

    while (line->len > 0 && *line->at != stop)
        line->at++, line->len--;
    found.len = (int)(line->at - found.at);
    if (line->len > 0)
        line->at++, line->len--;
    return found;
}

/* A whole number of at most nine digits; -1 for anything else. */
static int number(Span span)
{
    int i, value = 0;

    if (span.len < 1 || span.len > 9)
        return -1;
    for (i = 0; i < span.len; i++) {
        if (!isdigit((unsigned char)span.at[i]))
            return -1;
        value = 10 * value + span.at[i] - '0';
    }
    return value;
}

/* Whether it is a number that 64 bits can hold. */
static int digits(Span span)
{
    int i;

    for (i = 0; i < span.len; i++)
        if (!isdigit((unsigned char)span.at[i]))
            return 0;
    return span.len > 0 && span.len < 19;
}

/* 4 or 6 for an IP address, 0 for anything else; *held for one that means nowhere (RFC 3264 section 8.4). */
static int family(Span span, int *held)
{
    unsigned char raw[16];
    char text[48];
    int i, bytes = 0;

    if (span.len < 2 || span.len >= (int)sizeof(text))
        return 0;
    memcpy(text, span.at, span.len);
    text[span.len] = 0;
    if (strlen(text) != (size_t)span.len)
        return 0;
    if (inet_pton(AF_INET, text, raw) == 1)
        bytes = 4;
    else if (inet_pton(AF_INET6, text, raw) == 1)
        bytes = 16;
    for (*held = bytes > 0, i = 0; i < bytes; i++)
        if (raw[i])
            *held = 0;
    return bytes == 4 ? 4 : bytes ? 6 : 0;
}

/* c=IN IP4 192.0.2.1/127: the address decides of which kind it is. A name is left to whoever knows names. */
static void connection(Span line, Shared *to)
{
    Span address;
    int kind, held = 0;

    if (!is(word(&line), "IN"))
        return;
    (void)word(&line);
    address = word(&line);
    address = until(&address, '/');
    kind = family(address, &held);
    /* A name has a dot, and does not end in digits, as a mistyped address does. */
    if (!kind && !(all(address, ".-") && memchr(address.at, '.', address.len) && address.len < 128 &&
                   isalpha((unsigned char)address.at[address.len - 1])))
        return;
    to->address = address;
    to->six = kind == 6;
    to->named = !kind;
    to->held = held;
}

/* The attributes that the session and a medium may both have. Returns whether it was one. */
static int shared(Span name, Span value, Shared *to)
{
    Span first;
    int i;

    for (i = 0; i < 4; i++)
        if (is(name, DIRECTIONS[i])) {
            to->direction = DIRECTIONS[i];
            return 1;
        }
    if (is(name, "ice-ufrag") || is(name, "ice-pwd")) {
        int is_pwd = is(name, "ice-pwd");
        first = word(&value);
        /* RFC 8839 section 5.4. */
        if (all(first, "+/=-_") && first.len >= (is_pwd ? 22 : 4) && first.len <= 256)
            *(is_pwd ? &to->pwd : &to->ufrag) = first;
        return 1;
    }
    if (is(name, "setup")) {
        first = word(&value);
        if (is(first, "active") || is(first, "passive") || is(first, "actpass") || is(first, "holdconn"))
            to->setup = first;
        return 1;
    }
    if (is(name, "fingerprint")) {
        static const struct { const char *name; int bytes; } digests[] = {
            { "sha-1", 20 }, { "sha-224", 28 }, { "sha-256", 32 }, { "sha-384", 48 }, { "sha-512", 64 } };
        Span all_of_it = value, digest = word(&value), hex = word(&value);
        for (i = 0; i < 5; i++)
            if (is(digest, digests[i].name) && hex.len == 3 * digests[i].bytes - 1) {
                int at, good = 1;
                for (at = 0; at < hex.len; at++)
                    good = good && (at % 3 == 2 ? hex.at[at] == ':' : isxdigit((unsigned char)hex.at[at]));
                if (good && to->print_count < MOST_PRINTS) {
                    all_of_it.at = digest.at;
                    all_of_it.len = (int)(hex.at + hex.len - digest.at);
                    to->prints[to->print_count++] = all_of_it;
                }
            }
        return 1;
    }
    if (is(name, "ice-lite")) {
        to->lite = 1;
        return 1;
    }
    return 0;
}

/* a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:KEY|2^31 (RFC 4568 section 9.1): what we can do, and nothing that we would
 * have to do besides (a master key identifier, session parameters). */
static void key(Span value, Out *out, int tags[], int *count)
{
    static const struct { const char *name; int chars; } suites[] = {
        { "AES_CM_128_HMAC_SHA1_80", 40 }, { "AES_CM_128_HMAC_SHA1_32", 40 },
        { "AES_256_CM_HMAC_SHA1_80", 62 }, { "AES_256_CM_HMAC_SHA1_32", 62 },
        { "AES_192_CM_HMAC_SHA1_80", 51 }, { "AES_192_CM_HMAC_SHA1_32", 51 } };
    Span tag = word(&value), suite = word(&value), keyed = word(&value), rest = word(&value), life;
    int i, chars;

    /* An answer names a key by its tag: of several with one tag the first counts. */
    for (i = 0; i < *count; i++)
        if (tags[i] == number(tag))
            return;
    if (number(tag) < 0 || rest.len || keyed.len < 7 || strncasecmp(keyed.at, "inline:", 7) || *count >= MOST_KEYS)
        return;
    keyed.at += 7, keyed.len -= 7;
    life = keyed;
    keyed = until(&life, '|');
    if (life.len && memchr(life.at, ':', life.len))
        return;
    for (chars = keyed.len; chars > 0 && keyed.at[chars - 1] == '='; chars--)
        ;
    for (i = 0; i < chars; i++)
        if (!isalnum((unsigned char)keyed.at[i]) && keyed.at[i] != '+' && keyed.at[i] != '/')
            return;
    for (i = 0; i < 6; i++)
        if (is(suite, suites[i].name) && chars == suites[i].chars && keyed.len - chars <= 2) {
            put(out, "a=crypto:%d %s inline:%.*s%s\r\n", number(tag), suites[i].name, chars, keyed.at,
                suites[i].chars == 62 ? "==" : suites[i].chars == 51 ? "=" : "");
            tags[(*count)++] = number(tag);
            return;
        }
}

/* a=candidate:1 1 UDP 2130706431 192.0.2.1 8998 typ host (RFC 8839 section 5.1): over UDP, with an address. Returns 1 for
 * one of RTP. */
static int candidate(Span value, Out *out, int *count)
{
    Span foundation = word(&value), component = word(&value), transport = word(&value), priority = word(&value);
    Span address = word(&value), port = word(&value), typ = word(&value), type = word(&value);
    Span related = { 0, 0 }, related_port = { 0, 0 }, name;
    unsigned long order = 0;
    int i, held;

    if (!all(foundation, "+/") || foundation.len > 32 || !is(transport, "UDP") || !is(typ, "typ") ||
        number(component) < 1 || number(component) > 2 || number(port) < 1 || number(port) > 65535 ||
        priority.len < 1 || priority.len > 10 || !family(address, &held) || held || *count >= MOST_CANDIDATES)
        return 0;
    for (i = 0; i < priority.len; i++) {
        if (!isdigit((unsigned char)priority.at[i]))
            return 0;
        order = 10 * order + (priority.at[i] - '0');
    }
    if (order > 0xFFFFFFFFul || !(is(type, "host") || is(type, "srflx") || is(type, "prflx") || is(type, "relay")))
        return 0;
    while ((name = word(&value)).len) {
        if (is(name, "raddr"))
            related = word(&value);
        else if (is(name, "rport"))
            related_port = word(&value);
        else
            (void)word(&value);
    }
    put(out, "a=candidate:%.*s %d UDP %lu %.*s %d typ %.*s", foundation.len, foundation.at, number(component), order,
        address.len, address.at, number(port), type.len, type.at);
    if (family(related, &held) && number(related_port) >= 0 && number(related_port) <= 65535)
        put(out, " raddr %.*s rport %d", related.len, related.at, number(related_port));
    put(out, "\r\n");
    ++*count;
    return number(component) == 1;
}

/* Read a line, without the blanks behind it; *kind is the letter before its "=", or 0. Returns where the next one begins. */
static const char *next_line(const char *at, const char *end, Span *line, char *kind)
{
    const char *stop = at;

    while (stop < end && *stop != '\n' && *stop != '\r')
        stop++;
    line->at = at;
    line->len = (int)(stop - at);
    while (line->len > 0 && (line->at[line->len - 1] == ' ' || line->at[line->len - 1] == '\t'))
        line->len--;
    if (line->len >= 2 && line->at[1] == '=' && !memchr(line->at, 0, line->len)) {
        *kind = *line->at;
        line->at += 2, line->len -= 2;
    } else {
        *kind = 0;
    }
    while (stop < end && (*stop == '\n' || *stop == '\r'))
        stop++;
    return stop;
}

/* Find out what a number of an m= line stands for: RFC 3551's table, unless an rtpmap says something else. Returns
 * whether we know it. */
static int format_of(int wanted, const char *at, const char *end, Format *to)
{
    static const struct { const char *name; int rate, channels, stands; } ours[] = {
        { "PCMU", 8000, 1, 0 }, { "PCMA", 8000, 1, 8 }, { "G722", 8000, 1, 9 }, { "opus", 48000, 2, -1 },
        { "telephone-event", 8000, 1, -1 }, { "telephone-event", 48000, 1, -1 }, { "telephone-event", 16000, 1, -1 } };
    Span line, name, first;
    char kind;
    int i, mapped = 0;

    memset(to, 0, sizeof(*to));
    to->number = wanted;
    while (at < end) {
        at = next_line(at, end, &line, &kind);
        if (kind == 'm')
            break;
        if (kind != 'a')
            continue;
        name = until(&line, ':');
        if (is(name, "rtpmap") && !mapped) {
            Span codec, rate, channels;
            first = word(&line);
            if (number(first) != wanted)
                continue;
            codec = until(&line, '/');
            while (codec.len && (*codec.at == ' ' || *codec.at == '\t'))
                codec.at++, codec.len--;
            rate = until(&line, '/');
            channels = word(&line);
            first = rate;
            rate = word(&first);
            /* One that cannot be read says nothing. */
            if (!all(codec, "-_.+") || number(rate) < 1 || (channels.len && number(channels) < 1))
                continue;
            mapped = 1;
            for (i = 0; i < 7; i++)
                if (is(codec, ours[i].name) && number(rate) == ours[i].rate &&
                    (channels.len ? number(channels) : 1) == ours[i].channels) {
                    to->name = ours[i].name;
                    to->rate = ours[i].rate;
                    to->place = i;
                    to->channels = ours[i].channels;
                }
        } else if (is(name, "fmtp") && !to->fmtp.len) {
            first = word(&line);
            if (number(first) == wanted)
                to->fmtp = line;
        }
    }
    for (i = 0; i < 3 && !mapped; i++)
        if (ours[i].stands == wanted) {
            to->name = ours[i].name;
            to->rate = ours[i].rate;
            to->place = i;
            to->channels = 1;
        }
    return to->name != NULL;
}

/* a=fmtp: of Opus the numbers that RFC 7587 section 6.1 knows, of a keypad which keys it has; nothing else has any. */
static void parameters(const Format *format, Out *out)
{
    static const char *const known[] = { "maxplaybackrate", "sprop-maxcapturerate", "maxaveragebitrate", "stereo",
                                         "sprop-stereo", "cbr", "useinbandfec", "usedtx" };
    char kept[400];
    Out list = { kept, sizeof(kept), 0 };
    Span rest = format->fmtp, one, name;
    int i;

    if (strcmp(format->name, "telephone-event") == 0) {
        one = word(&rest);
        for (i = 0; i < one.len; i++)
            if (!isdigit((unsigned char)one.at[i]) && one.at[i] != '-' && one.at[i] != ',')
                return;
        if (one.len && one.len < 40)
            put(out, "a=fmtp:%d %.*s\r\n", format->number, one.len, one.at);
    } else if (strcmp(format->name, "opus") == 0) {
        while (rest.len) {
            one = until(&rest, ';');
            name = until(&one, '=');
            name = word(&name);
            one = word(&one);
            for (i = 0; i < 8; i++)
                if (is(name, known[i]) && number(one) >= 0)
                    put(&list, "%s%s=%d", list.len ? ";" : "", known[i], number(one));
        }
        if (list.len)
            put(out, "a=fmtp:%d %.*s\r\n", format->number, list.len, kept);
    }
}

/* a=rtcp:33001 IN IP4 192.0.2.1 (RFC 3605): a port, and an address only of the kind that the sound has. */
static void control(Span value, const Shared *own, Out *out)
{
    Span port = word(&value), net = word(&value), type = word(&value), address = word(&value);
    int held, kind = family(address, &held);

    if (number(port) < 1 || number(port) > 65535)
        return;
    if (kind && !held && is(net, "IN") && type.len && !own->named && kind == (own->six ? 6 : 4))
        put(out, "a=rtcp:%d IN IP%d %.*s\r\n", number(port), kind, address.len, address.at);
    else if (!net.len)
        put(out, "a=rtcp:%d\r\n", number(port));
}

/* A length of packets in milliseconds; 0 for none that makes sense. */
static int length(Span value)
{
    Span whole = until(&value, '.');

    whole = word(&whole);
    return number(whole) > 0 && number(whole) <= 200 ? number(whole) : 0;
}

/* Whether a line is a key that we know how to use. */
static int is_key(Span value)
{
    char kept[200];
    Out out = { kept, sizeof(kept), 0 };
    int tags[MOST_KEYS], count = 0;

    key(value, &out, tags, &count);
    return count;
}

/* Whether this is the one to speak of its kind. Only one stream is spoken; of several in the clear, and of several that
 * are encrypted, the first that can be. Which kind is for the account to say: PJSIP takes care of that. */
static int is_first(const char *protocol, int has_keys, int has_prints, Voices *voices)
{
    if (!strstr(protocol, "SAVP"))
        return !voices->plain++;
    if (strstr(protocol, "UDP/TLS/") ? !has_prints : !has_prints && !has_keys)
        return 0;
    return !voices->secure++;
}

/* What an m= line of sound says, and the lines after it up to the next m= line. */
static void sound(Span line, const char *at, const char *end, const Shared *session, Voices *voices, Out *out)
{
    static const char *const protocols[] = { "RTP/AVP", "RTP/AVPF", "RTP/SAVP", "RTP/SAVPF", "UDP/TLS/RTP/SAVP",
                                             "UDP/TLS/RTP/SAVPF" };
    Shared own = *session;
    Format formats[MOST_FORMATS], format;
    Span ports = word(&line), protocol = word(&line), one, name, first_rtcp = { 0, 0 };
    const char *from = at, *known = NULL;
    char kind;
    int port, count = 0, codecs = 0, i, ptime = 0, most = 0, mux = 0, keys = 0, candidates = 0, has_keys = 0;
    int tags[MOST_KEYS];

    own.direction = NULL;
    own.print_count = 0;
    while (at < end) {
        at = next_line(at, end, &one, &kind);
        if (kind == 'm')
            break;
        if (kind == 'c')
            connection(one, &own);
        if (kind != 'a')
            continue;
        name = until(&one, ':');
        if (shared(name, one, &own))
            continue;
        if (is(name, "ptime") && !ptime)
            ptime = length(one);
        else if (is(name, "maxptime") && !most)
            most = length(one);
        else if (is(name, "rtcp-mux"))
            mux = 1;
        else if (is(name, "rtcp") && !first_rtcp.at)
            first_rtcp = one;
        else if (is(name, "crypto"))
            has_keys = has_keys || is_key(one);
    }
    end = at;
    for (i = 0; i < 6; i++)
        if (is(protocol, protocols[i]))
            known = protocols[i];
    while ((one = word(&line)).len && count < MOST_FORMATS) {
        int wanted = number(one), is_new = 1;
        for (i = 0; i < count; i++)
            is_new = is_new && formats[i].number != wanted;
        if (wanted < 0 || wanted > 127 || !is_new || !format_of(wanted, from, end, &format))
            continue;
        codecs += strcmp(format.name, "telephone-event") != 0 && (spoken >> format.place & 1);
        formats[count++] = format;
    }
    ports = until(&ports, '/');
    port = number(ports);
    if (!own.print_count) {
        own.print_count = session->print_count;
        memcpy(own.prints, session->prints, sizeof(own.prints));
    }
    /* RFC 5763 section 5: who of both begins has to be said. */
    if (!own.setup.len || is(own.setup, "holdconn"))
        own.print_count = 0;
    if (port < 0 || port > 65535 || !known || !codecs || !own.address.len ||
        (own.named && !voices->names_too) || (!own.named && !own.held && !(spoken & (own.six ? SPOKEN_6 : SPOKEN_4))) ||
        (port && !is_first(known, has_keys, own.print_count, voices)))
        port = 0;
    /* One way to the keys: the one that the protocol names, and of two the one that needs nothing more. */
    if (known && strncmp(known, "RTP/SAVP", 8) == 0 && has_keys)
        own.print_count = 0;

    put(out, "m=audio %d %s", port, known ? known : "RTP/AVP");
    for (i = 0; i < count; i++)
        put(out, " %d", formats[i].number);
    put(out, count ? "\r\n" : " 0\r\n");
    if (!port) {
        put(out, NOWHERE);
        return;
    }
    put(out, "c=IN IP%d %.*s\r\n", own.six ? 6 : 4, own.address.len, own.address.at);
    for (i = 0; i < count; i++) {
        put(out, "a=rtpmap:%d %s/%d%s\r\n", formats[i].number, formats[i].name, formats[i].rate,
            formats[i].channels == 2 ? "/2" : "");
        parameters(&formats[i], out);
    }
    if (ptime)
        put(out, "a=ptime:%d\r\n", ptime);
    if (most)
        put(out, "a=maxptime:%d\r\n", most);
    if (own.direction || session->direction)
        put(out, "a=%s\r\n", own.direction ? own.direction : session->direction);
    if (first_rtcp.at)
        control(first_rtcp, &own, out);
    if (mux)
        put(out, "a=rtcp-mux\r\n");
    for (i = 0; i < own.print_count; i++)
        put(out, "a=fingerprint:%.*s\r\n", own.prints[i].len, own.prints[i].at);
    if (own.setup.len && own.print_count)
        put(out, "a=setup:%.*s\r\n", own.setup.len, own.setup.at);
    if (own.ufrag.len && own.pwd.len)
        put(out, "a=ice-ufrag:%.*s\r\na=ice-pwd:%.*s\r\n", own.ufrag.len, own.ufrag.at, own.pwd.len, own.pwd.at);
    while (from < end) {
        from = next_line(from, end, &one, &kind);
        if (kind != 'a')
            continue;
        name = until(&one, ':');
        if (is(name, "crypto") && strncmp(known, "UDP/TLS/", 8) != 0)
            key(one, out, tags, &keys);
        else if (is(name, "candidate") && own.ufrag.len && own.pwd.len)
            candidate(one, out, &candidates);
    }
}

/* Any other medium has no place at a door: it stays where it is, with port 0 (RFC 3264 section 6). */
static void declined(Span line, Span medium, Out *out)
{
    Span protocol, one;
    int i;

    (void)word(&line);
    protocol = word(&line);
    put(out, "m=%.*s 0 %.*s", all(medium, "-") && medium.len < 20 ? medium.len : 1, all(medium, "-") && medium.len < 20 ?
        medium.at : "x", all(protocol, "/-") && protocol.len < 40 ? protocol.len : 3, all(protocol, "/-") &&
        protocol.len < 40 ? protocol.at : "UDP");
    for (i = 0; i < 8 && (one = word(&line)).len && all(one, "-*.+") && one.len < 20 && number(one) <= 127; i++)
        put(out, " %.*s", one.len, one.at);
    put(out, i ? "\r\n" : " 0\r\n");
    put(out, NOWHERE);
}

/* All that follows the session's part. */
static void streams(const char *at, const char *end, const Shared *session, Voices *voices, Out *out)
{
    Span line, medium;
    int count = 0;
    char kind;

    while (at < end && count < MOST_MEDIA) {
        at = next_line(at, end, &line, &kind);
        if (kind != 'm')
            continue;
        count++;
        medium = word(&line);
        if (is(medium, "audio"))
            sound(line, at, end, session, voices, out);
        else
            declined(line, medium, out);
    }
}

/* Say what is spoken: the sum of 1 for PCMU, 2 for PCMA, 4 for G.722, 8 for Opus, 16 for IPv4 and 32 for IPv6. */
void sdp_speak(unsigned what)
{
    spoken = what;
}

/* Write a description anew; returns how long it is. Never longer than `room`, which is to be some hundred bytes more than
 * the old one had. */
int sdp_tidy(const char *text, int size, char *to, int room)
{
    const char *at = text, *end = text + size;
    Out out = { to, room, 0 };
    Shared session;
    Voices voices = { 0, 0, 0 };
    Span line, word_of, version, id;
    char kind;
    Out nowhere = { to, 0, 0 };
    int origin = 0;

    memset(&session, 0, sizeof(session));
    put(&out, "v=0\r\n");
    while (at < end) {
        const char *next = next_line(at, end, &line, &kind);
        if (kind == 'm')
            break;
        at = next;
        if (kind == 'o' && !origin) {
            (void)word(&line);
            id = word(&line);
            version = word(&line);
            if (digits(id) && digits(version)) {
                put(&out, "o=- %.*s %.*s IN IP4 127.0.0.1\r\n", id.len, id.at, version.len, version.at);
                origin = 1;
            }
        } else if (kind == 'c') {
            connection(line, &session);
        } else if (kind == 'a') {
            word_of = until(&line, ':');
            shared(word_of, line, &session);
        }
    }
    if (!origin)
        put(&out, "o=- 0 0 IN IP4 127.0.0.1\r\n");
    put(&out, "s=-\r\nt=0 0\r\n");
    if (session.lite)
        put(&out, "a=ice-lite\r\n");
    streams(at, end, &session, &voices, &nowhere);
    voices.names_too = !voices.plain && !voices.secure;
    voices.plain = voices.secure = 0;
    streams(at, end, &session, &voices, &out);
    return out.len;
}
