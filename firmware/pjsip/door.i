/* What Python sees of pjsua2: what the engine uses, and no more. SWIG reads this, and then PJSIP's own pjsua2.i.
 *
 * All of it would be 233 classes and 656 constants in a module of 330 kB, which every start reads: 8 MB and a
 * tenth of the engine's start. The wrapper, one big file, compiles with half the memory, too (480 MB instead of 1.1 GB).
 * A callback that is not named here stays in C++; Python would only have handed it back.
 *
 * A name that is missing here is an AttributeError in Python; but a class whose base is missing loses that one's fields
 * without a word, so name both.
 */
%module(directors="1") pjsua2

%define KEEP(NAME)
%rename("%s") NAME;
%enddef

%rename("$ignore", %$isenumitem) "";
%rename("$ignore", %$isclass, notregexmatch$name="^(std::)?vector|SwigPyIterator$") "";
%rename("$ignore", %$isfunction, regexmatch$name="^on[A-Z]") "";

/* Lists of what is not used; a pattern does not reach them. */
%ignore std::vector<unsigned char>;
%ignore std::vector<pj::SrtpCrypto>;
%ignore std::vector<pj::SipMultipartPart>;
%ignore std::vector<pj::Buddy*>;
%ignore std::vector<pj::Buddy>;
%ignore std::vector<pj::AudioMedia*>;
%ignore std::vector<pj::AudioMedia>;
%ignore std::vector<pj::VideoMedia>;
%ignore std::vector<pj::ToneDigit>;
%ignore std::vector<pj::ToneDigitMapDigit>;
%ignore std::vector<pj::AudioDevInfo*>;
%ignore std::vector<pj::AudioDevInfo>;
%ignore std::vector<pj::CodecInfo*>;
%ignore std::vector<pj::VideoDevInfo*>;
%ignore std::vector<pj::VideoDevInfo>;
%ignore std::vector<pj::CodecFmtp>;
%ignore std::vector<pj::MediaFormatAudio>;
%ignore std::vector<pj::MediaFormatVideo>;
%ignore std::vector<pj::RtcpFbCap>;

/* Nothing is read from or written to JSON. */
%ignore readObject;
%ignore writeObject;

/* The library */
KEEP(pj::Endpoint)
KEEP(pj::EpConfig)
KEEP(pj::UaConfig)
KEEP(pj::MediaConfig)
KEEP(pj::LogConfig)
KEEP(pj::LogWriter)
KEEP(pj::LogEntry)
KEEP(pj::Error)
KEEP(pj::Version)
KEEP(pj::TimeVal)
KEEP(pj::IpChangeParam)
KEEP(onRejectedIncomingCall)
KEEP(pj::OnRejectedIncomingCallParam)

/* Transports */
KEEP(pj::TransportConfig)
KEEP(pj::SockOpt)
KEEP(pj::SockOptParams)
KEEP(pj::TlsConfig)
KEEP(pj::TlsInfo)
KEEP(pj::SslCertInfo)
KEEP(pj::SslCertName)
KEEP(onTransportState)
KEEP(pj::OnTransportStateParam)
KEEP(PJSIP_TRANSPORT_UDP)
KEEP(PJSIP_TRANSPORT_TCP)
KEEP(PJSIP_TRANSPORT_TLS)
KEEP(PJSIP_TRANSPORT_IPV6)
KEEP(PJSIP_TP_STATE_CONNECTED)
KEEP(PJSIP_TP_STATE_DISCONNECTED)
KEEP(PJ_SSL_SOCK_PROTO_TLS1_2)
KEEP(PJ_SSL_SOCK_PROTO_TLS1_3)

/* Messages */
KEEP(pj::SipHeader)
KEEP(pj::SipTxOption)
KEEP(pj::SipRxData)
KEEP(pj::SipTransaction)
KEEP(pj::SipEvent)
KEEP(pj::SipEventBody)
KEEP(pj::TsxStateEvent)
KEEP(pj::TsxStateEventSrc)
KEEP(pj::SendRequestParam)
KEEP(PJSIP_EVENT_RX_MSG)
KEEP(PJSIP_SC_OK)
KEEP(PJSIP_SC_GONE)
KEEP(PJSIP_SC_NOT_ACCEPTABLE_HERE)
KEEP(PJSIP_SC_DECLINE)

/* Accounts */
KEEP(pj::Account)
KEEP(pj::AccountConfig)
KEEP(pj::AccountRegConfig)
KEEP(pj::AccountSipConfig)
KEEP(pj::AccountCallConfig)
KEEP(pj::AccountPresConfig)
KEEP(pj::AccountNatConfig)
KEEP(pj::AccountMediaConfig)
KEEP(pj::AccountInfo)
KEEP(pj::AuthCredInfo)
KEEP(pj::SrtpOpt)
KEEP(pj::PresenceStatus)
KEEP(onIncomingCall)
KEEP(pj::OnIncomingCallParam)
KEEP(onRegStarted)
KEEP(pj::OnRegStartedParam)
KEEP(onRegState)
KEEP(pj::OnRegStateParam)
KEEP(onSendRequest)
KEEP(pj::OnSendRequestParam)
KEEP(onInstantMessage)
KEEP(pj::OnInstantMessageParam)
KEEP(onInstantMessageStatus)
KEEP(pj::OnInstantMessageStatusParam)
KEEP(PJMEDIA_SRTP_DISABLED)
KEEP(PJMEDIA_SRTP_OPTIONAL)
KEEP(PJMEDIA_SRTP_MANDATORY)
KEEP(PJMEDIA_SRTP_KEYING_SDES)
KEEP(PJMEDIA_SRTP_KEYING_DTLS_SRTP)
KEEP(PJSUA_IPV6_ENABLED_PREFER_IPV4)
KEEP(PJSUA_IPV6_ENABLED_PREFER_IPV6)
KEEP(PJSUA_IPV6_ENABLED_USE_IPV6_ONLY)
KEEP(PJSUA_BUDDY_STATUS_ONLINE)
KEEP(PJRPID_ACTIVITY_UNKNOWN)
KEEP(PJRPID_ACTIVITY_BUSY)

/* Calls */
KEEP(pj::Call)
KEEP(pj::CallOpParam)
KEEP(pj::CallSetting)
KEEP(pj::CallSendDtmfParam)
KEEP(pj::CallInfo)
KEEP(pj::CallMediaInfo)
KEEP(pj::MediaTransportInfo)
KEEP(pj::StreamInfo)
KEEP(pj::StreamStat)
KEEP(pj::RtcpStat)
KEEP(pj::RtcpStreamStat)
KEEP(pj::JbufState)
KEEP(pj::MathStat)
KEEP(onCallState)
KEEP(pj::OnCallStateParam)
KEEP(onCallTsxState)
KEEP(pj::OnCallTsxStateParam)
KEEP(onCallMediaState)
KEEP(pj::OnCallMediaStateParam)
KEEP(onStreamDestroyed)
KEEP(pj::OnStreamDestroyedParam)
KEEP(onDtmfEvent)
KEEP(pj::OnDtmfEventParam)
KEEP(onCallRedirected)
KEEP(pj::OnCallRedirectedParam)
KEEP(onCallTransferRequest)
KEEP(pj::OnCallTransferRequestParam)
KEEP(onCallReplaceRequest)
KEEP(pj::OnCallReplaceRequestParam)
KEEP(PJSUA_INVALID_ID)
KEEP(PJSIP_INV_STATE_CALLING)
KEEP(PJSIP_INV_STATE_EARLY)
KEEP(PJSIP_INV_STATE_CONFIRMED)
KEEP(PJSIP_INV_STATE_DISCONNECTED)
KEEP(PJSIP_REDIRECT_REJECT)
KEEP(PJSUA_CALL_MEDIA_NONE)
KEEP(PJSUA_CALL_MEDIA_ACTIVE)
KEEP(PJSUA_CALL_MEDIA_REMOTE_HOLD)
KEEP(PJSUA_DTMF_METHOD_SIP_INFO)
KEEP(PJMEDIA_TYPE_AUDIO)

/* Sound; the recorder is for tests */
KEEP(pj::AudDevManager)
KEEP(pj::Media)
KEEP(pj::AudioMedia)
KEEP(pj::AudioMediaRecorder)
KEEP(pj::ToneGenerator)
KEEP(pj::ToneDesc)
KEEP(pjmedia_tone_desc)
KEEP(pj::CodecInfo)
KEEP(pj::CodecOpusConfig)

%include "pjsua2.i"
