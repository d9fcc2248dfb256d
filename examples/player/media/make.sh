#!/usr/bin/env bash
# Makes the two episodes: drawn by ffmpeg, encrypted by Shaka Packager (CENC, ISO/IEC 23001-7) with the keys of keys.json.
# Needs ffmpeg and a DejaVu font, and `npm install` in the folder above.
set -euo pipefail
cd "$(dirname "$0")"
drafts=$(mktemp -d)
trap 'rm -rf "$drafts"' EXIT
packager="node ../node_modules/shaka-packager/index.js"

episode() { # name, number, title, colours
  local label="fontcolor=white:shadowx=2:shadowy=2:shadowcolor=black@0.5"
  ffmpeg -v error -f lavfi -i "gradients=size=640x360:rate=15:duration=10:$4:nb_colors=4:speed=0.03:seed=7" -vf "
    drawbox=y=0:w=640:h=150:color=black@0.25:t=fill,
    drawtext=text='Episode $2':fontsize=54:x=40:y=36:$label,
    drawtext=text='$3':fontsize=26:x=42:y=102:$label,
    drawtext=text='%{eif\:t\:d} s':fontsize=26:x=w-90:y=h-50:$label" \
    -c:v libx264 -profile:v baseline -pix_fmt yuv420p -crf 27 -g 30 -keyint_min 30 -sc_threshold 0 "$drafts/$1.mp4"
  local kid key
  kid=$(node -p "require('./keys.json')['$1'].kid")
  key=$(node -p "require('./keys.json')['$1'].key")
  $packager "in=$drafts/$1.mp4,stream=video,output=$1.mp4" --enable_raw_key_encryption --protection_scheme cenc \
    --keys "label=:key_id=$kid:key=$key" --clear_lead 0 --segment_duration 2 --mpd_output "$1.mpd" --quiet
}

episode episode-1 1 'Low Tide' 'c0=#0b1d51:c1=#725cad:c2=#3f8fb8:c3=#d9a05b'
episode episode-2 2 'High Noon' 'c0=#2b0f0e:c1=#b3392f:c2=#d98a3d:c3=#7a8f4a'
