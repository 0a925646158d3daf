#!/usr/bin/env bash
# Tractography on prism's posterior against the classical chain's: the same eighteen tracts, tracked alike in both and
# in a second run of the chain.
#
#     bash examples/tractography.sh DATA [FOLDER] [STREAMLINES]
#
# DATA: a folder with dwi.nii.gz, dwi.bval, dwi.bvec and mask.nii.gz of an adult's head. FOLDER: where to work (default: a
# temporary one); fits already there are used again. STREAMLINES: from each seed voxel (default: 2000). The chain fits
# about 200 voxels/s on two cores: ten minutes a run. Tracks with probtrackx2 where FSL is installed, else with
# examples/tractography.c by the same rules (needs a C compiler and zlib). Further needs: prism-dmri (on the path, or
# built here) and Python with nibabel and numpy. With MRtrix3, tckgen follows the same seeds in prism's peaks.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
data=${1:?give the folder with dwi.nii.gz, dwi.bval, dwi.bvec and mask.nii.gz}
work=${2:-$(mktemp -d)/tractography}
streamlines=${3:-2000}
PATH=$PATH:$here/../.build/release

case $work in *[[:space:]]*) echo "$work: give a folder without spaces in its path" >&2; exit 64 ;; esac
mkdir -p "$work"
python3 "$here/tract_masks.py" "$data" "$work/masks"
white=$work/masks/white-matter.nii.gz tracts=$work/masks/tracts.txt
fit() {  # NAME [option…]
    [ -e "$work/fit-$1/fit.json" ] && return
    [ -e "$work/fit-$1" ] && set -- "$@" --resume
    prism-dmri fit "$data/dwi.nii.gz" --mask "$white" --family ball-sticks --out "$work/fit-$1" "${@:2}"
}
fit prism --preset balanced --lambda 0.5
fit mcmc-1 --engine mcmc --model 1 --seed 1
fit mcmc-2 --engine mcmc --model 1 --seed 2

voxels() {  # MASK [MASK]: how many voxels of the first lie in the second too
    python3 -c "import nibabel, numpy, sys
print(numpy.logical_and.reduce([nibabel.load(path).get_fdata() > 0 for path in sys.argv[1:]]).sum())" "$@"
}
# FIT OUT: visits and counts as examples/tractography.c writes them, by FSL itself; here one of a streamline's two halves
# must be 40 mm long.
probtrackx() {
    local name seed ways exclusion options="--samples=$1/merged --mask=$1/nodif_brain_mask --nsamples=$streamlines
        --modeuler --loopcheck --forcedir --opd --waycond=AND --cthr=0.2 --nsteps=2000 --steplength=0.5 --fibthresh=0.01"
    while read -r name seed ways exclusion; do
        tr , '\n' <<< "$ways" > "$2/$name.ways"
        [ "$exclusion" = - ] && exclusion= || exclusion=--avoid=$exclusion
        # Names contain no spaces that words could be split at.
        probtrackx2 $options --seed="$seed" --waypoints="$2/$name.ways" $exclusion --dir="$2/$name" > /dev/null
        probtrackx2 $options --seed="$seed" --distthresh=40 --dir="$2/$name-long" > /dev/null
        cp "$2/$name/fdt_paths.nii.gz" "$2/$name.nii.gz"
        echo "$name $(($(voxels "$seed" "$white") * streamlines)) $(cut -d. -f1 "$2/$name-long/waytotal")" \
            "$(cut -d. -f1 "$2/$name/waytotal")"
    done < "$tracts" > "$2/counts.txt"
}
[ -n "$(command -v probtrackx2)" ] || cc -O2 -fopenmp "$here/tractography.c" -o "$work/tractography" -lm -lz
for name in mcmc-1 mcmc-2 prism; do
    mkdir -p "$work/$name"
    echo "Tracking in $name …" >&2
    if command -v probtrackx2 > /dev/null; then
        probtrackx "$work/fit-$name/fsl.bedpostX" "$work/$name"
    else
        "$work/tractography" "$work/fit-$name/fsl.bedpostX" "$tracts" "$streamlines" "$work/$name" \
            > "$work/$name/counts.txt"
    fi
done
echo
python3 "$here/tract_table.py" "$tracts" "$work/mcmc-1" "$work/mcmc-2" "$work/prism"

command -v tckgen > /dev/null || { echo; echo "MRtrix3 is not here: no deterministic tracking."; exit 0; }
echo
echo "tckgen -algorithm FACT in prism's peaks, 27 seeds a voxel of each seed mask: share of seeds that reach 40 mm"
while read -r name seed _; do
    tckgen -quiet -force -algorithm FACT "$work/fit-prism/mrtrix/peaks.nii.gz" "$work/tracks.tck" \
        -seed_grid_per_voxel "$seed" 3 -mask "$white" -minlength 40 -select 0
    echo "$name $((27 * $(voxels "$seed"))) $(tckstats -quiet "$work/tracks.tck" -output count)"
done < "$tracts" | awk '{ share = $3 / $2; sum += share; printf "| %s | %.3f |\n", $1, share }
    END { printf "| mean of %d | %.3f |\n", NR, sum / NR }'
echo
echo "Kept: $work"
