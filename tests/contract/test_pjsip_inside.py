# SPDX-License-Identifier: GPL-2.0-or-later
"""PJSIP's own functions, called as nothing on a wire makes them: what they write, and where they stop.

Each case runs in a process of its own: what goes wrong there ends it.
"""

import subprocess
import sys

import pytest

pytest.importorskip("pjsua2", reason="the engine needs PJSIP: ./setup.sh builds it")

PRELUDE = '''
import ctypes, struct, sys, time
import _pjsua2, pjsua2 as pj
from ctypes import byref, c_char_p, c_int, c_size_t, c_ssize_t, c_uint, c_void_p

lib = ctypes.CDLL(_pjsua2.__file__)
for name in ("pjsua_pool_create", "pjsip_parse_msg", "pjsip_msg_find_hdr_by_name", "pjmedia_endpt_get_codec_mgr",
             "pjsua_get_pjmedia_endpt", "pj_pool_alloc"):
    getattr(lib, name).restype = c_void_p
lib.pjsip_msg_print.restype = c_ssize_t
config = pj.EpConfig()
config.uaConfig.threadCnt, config.uaConfig.mainThreadOnly = 0, True
config.logConfig.level = config.logConfig.consoleLevel = 0
endpoint = pj.Endpoint()
endpoint.libCreate()
endpoint.libInit(config)
pool = c_void_p(lib.pjsua_pool_create(b"test", 4000, 4000))
kept = []

class Str(ctypes.Structure):
    _fields_ = (("ptr", c_char_p), ("slen", c_ssize_t))

def message(text):
    data = ctypes.create_string_buffer(text.replace("\\n", "\\r\\n").encode())
    kept.append(data)
    found = lib.pjsip_parse_msg(pool, data, c_size_t(len(data) - 1), None)
    assert found, text
    return c_void_p(found)

def within(write, size):
    """What a function writes into a buffer of that size, and whether it left what lies behind alone."""
    place = ctypes.create_string_buffer(b"\\xaa" * (size + 256), size + 256)
    got = write(place, c_size_t(size))
    assert place.raw[size:] == b"\\xaa" * 256, f"wrote behind a buffer of {size} bytes"
    assert got <= size, f"claims {got} of {size} bytes"
    return place.raw[:got] if got > 0 else b""

def described(text):
    data = ctypes.create_string_buffer(text.replace("\\n", "\\r\\n").encode())
    kept.append(data)
    sdp = c_void_p()
    assert lib.pjmedia_sdp_parse(pool, data, c_size_t(len(data) - 1), byref(sdp)) == 0, text
    return sdp
'''


def inside(script: str) -> str:
    """Run a script beside PJSIP; return what it printed."""
    script = f"{PRELUDE}\n{script}\nprint('done', flush=True)\nimport os\nos._exit(0)\n"
    done = subprocess.run(
        [sys.executable, "-P", "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, f"{done.returncode}: {done.stderr[-2000:]}"
    assert "done" in done.stdout
    return done.stdout


HEADERS = """\
Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;received=192.0.2.2;rport=5061;ttl=5;maddr=192.0.2.3
From: "A name" <sip:a@b.test;user=phone>;tag=abcdef
To: <sip:c@d.test>;tag=ghijkl
Call-ID: 0123456789@host
CSeq: 2147483640 INVITE
Contact: "door" <sip:door@192.0.2.1:5060;transport=tcp>;q=0.5;expires=4294967290
Max-Forwards: 70
Expires: 4294967290
Min-Expires: 4294967290
Retry-After: 2147483640 (later);duration=3600
Allow: INVITE, ACK, BYE, CANCEL, OPTIONS
Supported: timer, 100rel, replaces
Require: a, b
Unsupported: c, d
Accept: application/sdp, message/sipfrag
Session-Expires: 4294967290;refresher=uac
Min-SE: 4294967290
Event: presence;id=abcdefghij
Subscription-State: active;expires=4294967290;retry-after=4294967290;reason=deactivated
Route: <sip:p1.test;lr>
Record-Route: <sip:p2.test;lr>
WWW-Authenticate: Digest realm="r", nonce="n", opaque="o", qop="auth,auth-int", algorithm=MD5, stale=true
Proxy-Authenticate: Digest realm="r", nonce="n"
Authorization: Digest username="u", realm="r", nonce="n", uri="sip:r", response="x", nc=00000001, cnonce="c", qop=auth
Replaces: 0123456789@host;to-tag=a;from-tag=b;early-only
X-Anything: whatever there is
Content-Type: application/x;charset=utf-8;more="a long parameter of it"
"""


def test_no_header_is_printed_behind_its_buffer() -> None:
    """Every kind that PJSIP has a printer for, into a buffer of every size."""
    told = inside(f"""
headers = {HEADERS!r}
text = "SIP/2.0 200 OK\\n" + headers + "Content-Length: 0\\n\\n"
whole = message(text)
for line in headers.splitlines():
    name = line.partition(":")[0].encode()
    header = lib.pjsip_msg_find_hdr_by_name(whole, byref(Str(name, len(name))), None)
    assert header, line
    sizes = [len(within(lambda place, size: lib.pjsip_hdr_print_on(c_void_p(header), place, size), size))
             for size in range(0, 400)]
    assert sizes[-1] > len(name), line
    print("header", line.partition(":")[0], sizes[-1])
""")
    assert told.count("\nheader ") == len(HEADERS.splitlines())


@pytest.mark.parametrize(
    ("line", "kind", "body"),
    [
        ("SIP/2.0 200 OK", "application/x", "some text"),
        ("INVITE sip:a@b.test SIP/2.0", "application/x", "some text"),
        ("X" * 300 + " sip:a@b.test SIP/2.0", "application/x", "some text"),
        ("SIP/2.0 200 " + "Reason " * 50, "application/x", "some text"),
        ("SIP/2.0 200 OK", f"application/{'y' * 200};z={'w' * 200}", "some text"),
        ("SIP/2.0 200 OK", "multipart/mixed;boundary=b", "--b\nContent-Type: text/plain\n\none\n--b\n\ntwo\n--b--\n"),
        ("SIP/2.0 200 OK", "multipart/mixed;boundary=b", "--b--\n"),
        ("SIP/2.0 200 OK", "multipart/mixed;boundary=b", "nothing at all"),
    ],
    ids=["answer", "request", "long method", "long reason", "long type", "parts", "no parts", "no boundary"],
)
def test_no_message_is_printed_behind_its_buffer(line: str, kind: str, body: str) -> None:
    """Whatever it is made of, into a buffer of every size from the least that PJSIP takes."""
    inside(f"""
headers = {HEADERS.rpartition("Content-Type")[0]!r}.replace("INVITE\\n", {line.split(maxsplit=1)[0]!r} + "\\n")
if {line!r}.startswith("SIP/2.0"):
    headers = headers.replace("SIP/2.0\\n", "INVITE\\n")
whole = message({line!r} + "\\n" + headers + "Content-Type: " + {kind!r} + "\\n\\n" + {body!r})
for size in range(256, 4000, 3):
    within(lambda place, size: lib.pjsip_msg_print(whole, place, size), size)
""")


def test_an_opus_packet_is_taken_apart_without_a_byte_behind_it() -> None:
    """48 frames of 2.5 ms become 48 packets, which are longer than the one they came in (RFC 6716 section 3.2.5)."""
    inside("""
manager = c_void_p(lib.pjmedia_endpt_get_codec_mgr(c_void_p(lib.pjsua_get_pjmedia_endpt())))
infos, count = (c_void_p * 4)(), c_uint(4)
assert lib.pjmedia_codec_mgr_find_codecs_by_id(manager, byref(Str(b"opus", 4)), byref(count), infos, None) == 0
codec, settings = c_void_p(), ctypes.create_string_buffer(8192)
assert lib.pjmedia_codec_mgr_alloc_codec(manager, c_void_p(infos[0]), byref(codec)) == 0
assert lib.pjmedia_codec_mgr_get_default_param(manager, c_void_p(infos[0]), settings) == 0
# pjmedia_codec: prev, next, codec_data, factory, op; its functions: init, open, close, modify, parse, ...
functions = ctypes.cast(codec, ctypes.POINTER(c_void_p))[4]
init, begin, _, _, parse = ctypes.cast(functions, ctypes.POINTER(c_void_p))[:5]
take = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p)
assert take(init)(codec, pool) == 0
assert take(begin)(codec, ctypes.addressof(settings)) == 0
packet = bytes([28 << 3 | 3, 48]) + bytes(48)
place = ctypes.create_string_buffer(packet + b"\\xaa" * 512, len(packet) + 512)
frames, found, at = ctypes.create_string_buffer(64 * 48), c_uint(48), ctypes.c_uint64(0)
call = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_size_t, c_void_p, c_void_p, c_void_p)
status = call(parse)(codec, ctypes.addressof(place), len(packet), ctypes.addressof(at), ctypes.addressof(found),
                     ctypes.addressof(frames))
assert (status, found.value) == (0, 48), (status, found.value)
assert place.raw[len(packet):] == b"\\xaa" * 512, "wrote behind the packet"
""")


def test_jitter_does_not_jump_when_the_machine_has_been_up_for_days() -> None:
    """A clock so fast that the product passes 64 bits during the test, as it does with 48 kHz after days."""
    inside("""
session = ctypes.create_string_buffer(1 << 16)
ticks, frequency = ctypes.c_uint64(), ctypes.c_uint64()
lib.pj_get_timestamp_freq(byref(frequency))
assert frequency.value == 10**9, "nanoseconds"
# The next instant at which nanoseconds times the rate pass a multiple of 2**64.
lib.pj_get_timestamp(byref(ticks))
now = ticks.value + 600_000_000
rate = int(2**64 * int(now * 4.29e9 / 2**64) / now)
assert 10**9 < rate < 2**32, "the machine has been up for less than five seconds"
lib.pjmedia_rtcp_init(session, b"test", c_uint(rate), c_uint(160), c_uint(1))
worst = 0
for number in range(120):
    lib.pj_get_timestamp(byref(ticks))
    stamp = ticks.value * rate // 10**9
    lib.pjmedia_rtcp_rx_rtp(session, c_uint(1000 + number), c_uint(stamp & 0xFFFFFFFF), c_uint(160))
    time.sleep(0.01)
    packet, size = c_void_p(), c_int()
    lib.pjmedia_rtcp_build_rtcp(session, byref(packet), byref(size))
    told = ctypes.string_at(packet, size.value)
    assert told[1] == 201, "a receiver report"
    worst = max(worst, struct.unpack(">I", told[20:24])[0] / rate)
assert worst < 0.005, f"{worst * 1000:.0f} ms"
""")


SDP = "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\n"


def test_redundancy_beside_a_static_codec_is_negotiated() -> None:
    """RFC 2198: a payload type below 96 needs no rtpmap, and has none to be looked into."""
    inside(f"""
media = "m=audio 4000 RTP/AVP 0 100\\na=rtpmap:100 red/8000\\na=fmtp:100 0/0/0\\n"
ours = described({SDP!r} + media)
theirs = described({SDP!r} + media.replace("0/0/0", "0/0"))
negotiation = c_void_p()
assert lib.pjmedia_sdp_neg_create_w_remote_offer(pool, ours, theirs, byref(negotiation)) == 0
assert lib.pjmedia_sdp_neg_negotiate(pool, negotiation, c_int(0)) == 0
""")


def test_an_offer_of_more_media_than_there_is_room_for_is_refused() -> None:
    """Sixteen lines of one kind after sixteen of another: the old ones have to stay (RFC 3264 section 8)."""
    inside(f"""
old = {SDP!r} + "".join(f"m=audio {{4000 + 2 * n}} RTP/AVP 0\\n" for n in range(16))
new = {SDP!r} + "".join(f"m=video {{4000 + 2 * n}} RTP/AVP 31\\n" for n in range(16))
negotiation = c_void_p()
assert lib.pjmedia_sdp_neg_create_w_local_offer(pool, described(old), byref(negotiation)) == 0
assert lib.pjmedia_sdp_neg_set_remote_answer(pool, negotiation, described(old)) == 0
assert lib.pjmedia_sdp_neg_negotiate(pool, negotiation, c_int(0)) == 0
assert lib.pjmedia_sdp_neg_modify_local_offer2(pool, negotiation, c_uint(0), described(new)) != 0
""")
