"""A door as one makes it with pjsua2's own sound device: the reference that the benchmark compares with.

`pjsip_door.py URI CODEC ADDRESS`, with a pjsua2 built by reference.sh. Its settings are the best that were found:
20 ms frames at 16 kHz, short device latencies, AEC3 with noise suppression.
"""

import os
import sys
import time

import pjsua2 as pj

URI, CODEC, ADDRESS = sys.argv[1:]
AEC3, NOISE = 4, 128  # PJMEDIA_ECHO_WEBRTC_AEC3, PJMEDIA_ECHO_USE_NOISE_SUPPRESSOR of pjmedia/echo.h
TAIL_MS, LATENCY_MS = 200, int(os.environ.get("LATENCY_MS", "60"))


class Call(pj.Call):
    """The one call."""

    def onCallMediaState(self, _: object) -> None:  # noqa: N802
        devices, media = pj.Endpoint.instance().audDevManager(), self.getAudioMedia(-1)
        devices.getCaptureDevMedia().startTransmit(media)
        media.startTransmit(devices.getPlaybackDevMedia())
        print("connected", flush=True)


endpoint, config = pj.Endpoint(), pj.EpConfig()
endpoint.libCreate()
config.logConfig.level = config.logConfig.consoleLevel = 3
media = config.medConfig
media.clockRate = media.sndClockRate = 16000
media.audioFramePtime = media.ptime = 20
media.noVad = True
media.sndRecLatency = media.sndPlayLatency = LATENCY_MS
media.ecOptions, media.ecTailLen = AEC3 | NOISE, TAIL_MS
endpoint.libInit(config)
transport = pj.TransportConfig()
transport.boundAddress = ADDRESS
endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
endpoint.libStart()
for codec in endpoint.codecEnum2():
    endpoint.codecSetPriority(codec.codecId, 200 if codec.codecId.lower().startswith(CODEC) else 0)
manager = endpoint.audDevManager()
manager.setCaptureDev(manager.lookupDev("ALSA", "door"))
manager.setPlaybackDev(manager.lookupDev("ALSA", "door"))
account, settings = pj.Account(), pj.AccountConfig()
settings.idUri = f"sip:door@{ADDRESS}"
settings.regConfig.registerOnAdd = False
settings.mediaConfig.transportConfig.boundAddress = ADDRESS
account.create(settings)
options = pj.CallOpParam(True)
options.opt.videoCount = options.opt.textCount = 0
call = Call(account)
call.makeCall(URI, options)
while True:
    time.sleep(1)
