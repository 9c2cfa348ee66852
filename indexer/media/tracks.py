"""Which streams of a container are the video's: the picture that moves, the sound that is meant."""

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.subtitles.stream import SubtitleStream
from av.video.stream import VideoStream

from reelshelf.schemas.errors import FailureKind, MediaError

# Playlists and scripts (hls, concat) make the decoder open other files and hosts; image and pipe
# formats are pictures. Only containers of video are let in.
CONTAINERS = frozenset(
    [
        "mov",
        "mp4",
        "m4a",
        "3gp",
        "3g2",
        "mj2",
        "matroska",
        "webm",
        "avi",
        "mpegts",
        "mpeg",
        "flv",
        "asf",
        "ogg",
        "gif",
        "m4v",
        "h264",
        "hevc",
        "ivf",
        "mxf",
    ]
)
# Sound that goes with another sound, or explains pictures to those who do not see them.
_BESIDE = Disposition.comment | Disposition.visual_impaired | Disposition.descriptions
# Codecs of subtitles that are text and no pictures.
_TEXT_SUBTITLES = frozenset(["ass", "ssa", "subrip", "srt", "mov_text", "webvtt", "text"])
# ISO 639-2 codes that say nothing of a language.
_UNKNOWN = frozenset(["und", "mul", "zxx", "mis"])


def video_stream(container: InputContainer) -> VideoStream:
    """The stream to decode. Raises MediaError where there is none, or the file is no video."""
    names = set(container.format.name.split(","))
    if not names & CONTAINERS:
        kind = (
            FailureKind.STILL_IMAGE
            if any("image" in name or name.endswith("_pipe") for name in names)
            else FailureKind.NOT_A_VIDEO
        )
        raise MediaError(kind, f"is {container.format.long_name}, not a video container")
    moving = [
        stream
        for stream in container.streams.video
        if not stream.disposition & Disposition.attached_pic
    ]
    best = container.streams.best("video")
    if not moving or best is None:
        raise MediaError(FailureKind.NOT_A_VIDEO, "has no video stream")
    chosen = best if best in moving else moving[0]
    if chosen.codec_context is None:
        raise MediaError(FailureKind.UNSUPPORTED, "its video codec is unknown to the decoder")
    return chosen


def audio_streams(container: InputContainer, language: str | None) -> list[AudioStream]:
    """The sound tracks that can be decoded, the one that is most likely meant first.

    By language where one is wanted (`language` is BCP-47), then what accompanies another track
    last, then the container's default, then what FFmpeg holds for the best.
    """
    best = container.streams.best("audio")
    wanted = _language(language)

    def order(stream: AudioStream) -> tuple[bool, bool, bool, bool, int]:
        own = _language(stream.language)
        return (
            wanted is not None and own is not None and own != wanted,
            bool(stream.disposition & _BESIDE),
            not stream.disposition & Disposition.default,
            stream is not best,
            stream.index,
        )

    usable = [stream for stream in container.streams.audio if stream.codec_context]
    return sorted(usable, key=order)


def subtitle_stream(container: InputContainer, language: str | None) -> SubtitleStream | None:
    """The subtitles that are read, if there are any of text: in the wanted language, or the first.

    Those that are forced say only what is foreign, and are taken last.
    """
    wanted = _language(language)

    def order(stream: SubtitleStream) -> tuple[bool, bool, int]:
        own = _language(stream.language)
        other = wanted is not None and own is not None and own != wanted
        return other, bool(stream.disposition & Disposition.forced), stream.index

    usable = [
        stream
        for stream in container.streams.subtitles
        if stream.codec_context and stream.codec_context.name in _TEXT_SUBTITLES
    ]
    return min(usable, key=order, default=None)


def _language(tag: str | None) -> str | None:
    """A language as two letters where it has them; containers write three."""
    if not tag or tag.lower() in _UNKNOWN:
        return None
    primary = tag.lower().replace("_", "-").partition("-")[0]
    return _TWO_LETTERS.get(primary, primary)


# ISO 639-2, which containers write, to 639-1, for the languages that Whisper hears.
_CODES = """
    af:afr ar:ara hy:hye,arm as:asm az:aze ba:bak eu:eus,baq be:bel bn:ben bs:bos br:bre bg:bul
    my:mya,bur ca:cat zh:zho,chi hr:hrv cs:ces,cze da:dan nl:nld,dut en:eng et:est fo:fao fi:fin
    fr:fra,fre gl:glg ka:kat,geo de:deu,ger el:ell,gre gu:guj ht:hat ha:hau he:heb hi:hin hu:hun
    is:isl,ice id:ind it:ita ja:jpn jv:jav kn:kan kk:kaz km:khm ko:kor lo:lao la:lat lv:lav ln:lin
    lt:lit lb:ltz mk:mkd,mac mg:mlg ms:msa,may ml:mal mt:mlt mi:mri,mao mr:mar mn:mon ne:nep no:nor
    nn:nno oc:oci pa:pan ps:pus fa:fas,per pl:pol pt:por ro:ron,rum ru:rus sa:san sr:srp sn:sna
    sd:snd si:sin sk:slk,slo sl:slv so:som es:spa su:sun sw:swa sv:swe tl:tgl,fil tg:tgk ta:tam
    tt:tat te:tel th:tha bo:bod,tib tr:tur tk:tuk uk:ukr ur:urd uz:uzb vi:vie cy:cym,wel yi:yid
    yo:yor
"""
_TWO_LETTERS = {
    three: two
    for two, _, codes in (entry.partition(":") for entry in _CODES.split())
    for three in codes.split(",")
}
