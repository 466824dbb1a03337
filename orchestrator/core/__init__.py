"""The pure core: frames, happenings and `now` in, effects out."""
