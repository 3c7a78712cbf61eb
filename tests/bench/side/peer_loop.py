"""A door as the Python ones are: pjsua2 in a loop that looks every 50 ms, for SIP and for what the button asked.

`peer_loop.py ADDRESS USER PASSWORD REGISTRAR PIN NUMBER`. One thread, no worker of PJSIP's, PJSIP's defaults for
everything else; sound goes to its null device, because our pjsua2 is built without others.
"""

import sys
import time

import pjsua2 as pj
from gpiozero import Button

ADDRESS, USER, PASSWORD, REGISTRAR, PIN, NUMBER = sys.argv[1:]
LOOK_S = 0.05
calls: list[pj.Call] = []
waiting: list[str] = []


class Call(pj.Call):
    """One call."""

    def onCallState(self, _: object) -> None:  # noqa: N802
        if self.getInfo().state == pj.PJSIP_INV_STATE_DISCONNECTED:
            calls.remove(self)

    def onCallMediaState(self, _: object) -> None:  # noqa: N802
        devices = pj.Endpoint.instance().audDevManager()
        for place, media in enumerate(self.getInfo().media):
            if media.status == pj.PJSUA_CALL_MEDIA_ACTIVE:
                sound = self.getAudioMedia(place)
                devices.getCaptureDevMedia().startTransmit(sound)
                sound.startTransmit(devices.getPlaybackDevMedia())


endpoint, config = pj.Endpoint(), pj.EpConfig()
endpoint.libCreate()
config.uaConfig.threadCnt, config.uaConfig.mainThreadOnly = 0, True
config.logConfig.level = config.logConfig.consoleLevel = 1
endpoint.libInit(config)
transport = pj.TransportConfig()
transport.boundAddress = ADDRESS
endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
endpoint.audDevManager().setNullDev()
endpoint.libStart()
account, settings = pj.Account(), pj.AccountConfig()
settings.idUri, settings.regConfig.registrarUri = f"sip:{USER}@{REGISTRAR}", f"sip:{REGISTRAR}"
settings.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", USER, 0, PASSWORD))
settings.mediaConfig.transportConfig.boundAddress = ADDRESS
account.create(settings)
button = Button(int(PIN))
button.when_pressed = lambda: waiting.append(f"sip:{NUMBER}@{REGISTRAR}")
while True:
    endpoint.libHandleEvents(0)
    while waiting:
        call, options = Call(account), pj.CallOpParam(True)
        calls.append(call)
        call.makeCall(waiting.pop(), options)
    time.sleep(LOOK_S)
