#!/usr/bin/env bash
# From a fresh checkout to a fitted brain: installs what is missing, builds, simulates a small brain and fits it.
# Usage: bash examples/quickstart.sh [FOLDER]      (default: runs/quickstart)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

command -v swift >/dev/null || { echo "Swift 6 is needed: https://www.swift.org/install/linux" >&2; exit 1; }
bash examples/dependencies.sh
swift build -c release --product prism-dmri
prism="$(swift build -c release --show-bin-path)/prism-dmri"

folder="${1:-runs/quickstart}"
mkdir -p "$folder"
"$prism" simulate --out "$folder/brain" --size 32,40,24 --acquisition protocols/acquisitions/abcd-103.yaml --force
"$prism" fit "$folder/brain/dwi.nii.gz" --bvals "$folder/brain/dwi.bval" --bvecs "$folder/brain/dwi.bvec" \
    --mask "$folder/brain/mask.nii.gz" --family ball-sticks --out "$folder/fit" --force

cat <<END

Simulated brain      $folder/brain (its truth: truth.json)
Picture of the fit   $folder/fit/orientations.png
Model maps           $folder/fit/dwi/
For probtrackx2      $folder/fit/fsl.bedpostX/
For tckgen           $folder/fit/mrtrix/peaks.nii.gz
Your own data        $prism fit dwi.nii.gz --bvals dwi.bval --bvecs dwi.bvec --mask mask.nii.gz --out fit
END
