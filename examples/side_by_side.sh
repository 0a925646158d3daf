#!/usr/bin/env bash
# The same scan through prism-dmri, MRtrix3 and DIPY: time, processor time, memory, and how far their main directions lie apart.
#
#     bash examples/side_by_side.sh DATA OUT        DATA: a folder with dwi.nii.gz, dwi.bval, dwi.bvec, mask.nii.gz; OUT: a new folder
#
# Needs prism-dmri (built here, or on the path) and Python with nibabel and numpy; MRtrix3 and DIPY are left out where they are not installed.
# All get all cores. Let nothing else run meanwhile.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ $# -eq 2 ] || { sed -n '2,7s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 64; }
data=$1 out=$2
PATH=$here/../.build/release:$PATH
for file in dwi.nii.gz dwi.bval dwi.bvec mask.nii.gz; do [ -r "$data/$file" ] || { echo "$data/$file is missing" >&2; exit 66; }; done
[ ! -e "$out" ] || { echo "$out exists already" >&2; exit 73; }
mkdir -p "$out"

# NAME COMMAND…: runs it and notes wall clock, processor time and peak memory.
timed() { python3 "$here/side_by_side.py" time "$out/times.tsv" "$@"; }

for preset in fast balanced; do
    timed "prism-dmri $preset" prism-dmri fit "$data/dwi.nii.gz" --mask "$data/mask.nii.gz" --family ball-sticks --preset $preset --out "$out/prism-$preset" --quiet
done

if command -v dwi2fod > /dev/null; then
    # MRtrix3's own format, made beforehand: uncompressed and with its gradient table, so that no step below pays for unpacking.
    mrconvert -quiet "$data/dwi.nii.gz" -fslgrad "$data/dwi.bvec" "$data/dwi.bval" "$out/dwi.mif"
    mask="-mask $data/mask.nii.gz"
    timed "MRtrix3 tensor" sh -c "dwi2tensor -quiet $mask $out/dwi.mif $out/tensor.mif &&
        tensor2metric -quiet $mask $out/tensor.mif -num 1 -modulate none -vector $out/mrtrix-tensor.nii.gz"
    timed "MRtrix3 response function" dwi2response tournier -quiet -scratch "$out" $mask "$out/dwi.mif" "$out/response.txt"
    timed "MRtrix3 CSD, peaks" sh -c "dwi2fod csd -quiet $mask $out/dwi.mif $out/response.txt $out/fod.mif &&
        sh2peaks -quiet -num 3 $mask $out/fod.mif $out/mrtrix-csd.nii.gz"
else
    echo "MRtrix3 is not here: left out." >&2
fi

if python3 -c 'import dipy' 2> /dev/null; then
    timed "DIPY tensor" python3 "$here/side_by_side.py" tensor "$data" "$out/dipy-tensor.nii.gz"
    timed "DIPY CSD, peaks" python3 "$here/side_by_side.py" csd "$data" "$out/dipy-csd.nii.gz"
else
    echo "DIPY is not here: left out." >&2
fi

python3 "$here/side_by_side.py" table "$data" "$out"
