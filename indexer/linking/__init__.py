"""Which SKUs a video sells: from what it shows, writes and says, and what the merchant declares.

A pure function of stored rows: segments and catalogue in, scored links with evidence out, so
linking can be redone without touching a video.

catalogue, clues < names, likeness < sight, writing, speech, sound, meaning < calibration < link
"""
