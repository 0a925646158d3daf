#!/usr/bin/env bash
# Makes the figures of docs/figures again.
#
#     bash examples/figures.sh --list                      # names, and whether they are slow
#     bash examples/figures.sh OUT [--slow] [NAME…]        # those named, or all quick ones; with --slow all
#
# Each figure's output goes to OUT/NAME.txt. Figures of real scans need PRISM_DATA: a folder with nlsam (the whole head), nlsam-slab,
# mdt, axsi, uih and water, each with dwi.nii.gz, dwi.bval, dwi.bvec and mask.nii.gz, and xfibres/
# where FSL's samples are at hand; and schemes, a folder of .bval/.bvec pairs;
# without it they are named and left out. Needs prism-dmri (on the path, or built here) and Python with nibabel and numpy.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
PATH=$PATH:$root/.build/release
data=${PRISM_DATA:-} p=protocols/acquisitions

# NAME  quick|slow  needs-data?  COMMAND; $S is the scan's folder, $W a scratch folder of the figure's own, $O the output folder.
table() { cat <<'TABLE'
calibration|quick||prism-dmri validate simulations --voxels 10000 --html $O/calibration.html --force
presets|quick||prism-dmri validate simulations --voxels 10000 --preset fast
brain|quick||prism-dmri simulate --out $W/brain --size 32,40,24 --acquisition $p/abcd-103.yaml --force --quiet && prism-dmri fit $W/brain/dwi.nii.gz --mask $W/brain/mask.nii.gz --family ball-sticks --out $W/fit --force --quiet && python3 examples/against_truth.py $W/fit $W/brain
lambda|quick||prism-dmri simulate --out $W/brain --size 32,40,24 --acquisition $p/abcd-103.yaml --force --quiet && prism-dmri fit $W/brain/dwi.nii.gz --mask $W/brain/mask.nii.gz --family ball-sticks --out $W/fit --force --quiet && prism-dmri maps $W/fit --lambda 0,0.25,0.5,1,1.5,2,3 --out $W/maps --force --quiet && for l in 0 0.25 0.5 1 1.5 2 3; do echo "lambda $l"; python3 examples/against_truth.py $W/maps/lambda-$l $W/brain; done
lambda-sweep|slow||bash examples/lambda-sweep.sh
crossings|quick||prism-dmri validate crossings --acquisition $p/three-shell-1000-2000-3000.yaml --lambda 0.5 --voxels 200 && prism-dmri validate crossings --acquisition $p/single-shell-64.yaml --lambda 0.5 --voxels 200
crossings-exact|slow||prism-dmri validate crossings --acquisition $p/three-shell-1000-2000-3000.yaml --lambda 0.5 --voxels 50 --preset exact && prism-dmri validate crossings --acquisition $p/single-shell-64.yaml --lambda 0.5 --voxels 50 --preset exact
crossings-smc|slow||prism-dmri validate crossings --acquisition $p/three-shell-1000-2000-3000.yaml --lambda 0.5 --engine smc --smc-error 0.3 --voxels 30 --angles 30,40,50,70,90 && prism-dmri validate crossings --acquisition $p/three-shell-1000-2000-3000.yaml --lambda 0.5 --engine smc --smc-error 0.3 --voxels 30 --angles 20,25,35,45,60,80 && prism-dmri validate crossings --acquisition $p/single-shell-64.yaml --lambda 0.5 --engine smc --smc-error 0.3 --voxels 20 --angles 30,40,50,70,90 && prism-dmri validate crossings --acquisition $p/single-shell-64.yaml --lambda 0.5 --engine smc --smc-error 0.3 --voxels 20 --angles 20,25,35,45,60,80
exact|slow||prism-dmri validate crossings --acquisition $p/three-shell-1000-2000-3000.yaml --lambda 0.5 --voxels 50 --preset exact && prism-dmri validate crossings --acquisition $p/single-shell-64.yaml --lambda 0.5 --voxels 50 --preset exact
exact-scan|slow|axsi|prism-dmri validate scan $S/dwi.nii.gz --mask $S/mask.nii.gz --family ball-sticks --voxels 12 --html $O/agreement.html --force
exact-schemes|slow|schemes|prism-dmri validate simulations --schemes $S --voxels 72 --smc-voxels 72 --smc-error 0.05
real-valued|slow||python3 examples/real_valued.py "$(command -v prism-dmri)" fast balanced mcmc --voxels 200
known-noise|slow||prism-dmri validate simulations --voxels 6000 && prism-dmri validate simulations --voxels 6000 --known-noise && prism-dmri validate simulations --voxels 6000 --acquisition $p/clinical-30.yaml && prism-dmri validate simulations --voxels 6000 --known-noise --acquisition $p/clinical-30.yaml && prism-dmri validate simulations --voxels 6000 --acquisition $p/three-shell-1000-2000-3000.yaml && prism-dmri validate simulations --voxels 6000 --known-noise --acquisition $p/three-shell-1000-2000-3000.yaml
known-noise-scans|slow|mdt axsi|prism-dmri fit $S/dwi.nii.gz --mask $S/mask.nii.gz --family ball-sticks --out $W/fit --force --quiet && prism-dmri fit $S/dwi.nii.gz --mask $S/mask.nii.gz --family ball-sticks --out $W/known --known-noise --force --quiet && python3 examples/summary.py $W/fit && python3 examples/summary.py $W/known
scans|quick|nlsam-slab mdt axsi uih water|prism-dmri fit $S/dwi.nii.gz --mask $S/mask.nii.gz --family ball-sticks --out $W/fit --force && python3 examples/summary.py $W/fit
scans-whole|slow|nlsam|prism-dmri fit $S/dwi.nii.gz --mask $S/mask.nii.gz --family ball-sticks --out $W/fit --force && python3 examples/summary.py $W/fit && prism-dmri fit $S/dwi.nii.gz --mask $S/mask.nii.gz --family ball-sticks --out $W/fast --preset fast --force && python3 examples/summary.py $W/fast
xfibres|quick|nlsam-slab mdt axsi|prism-dmri fit $S/dwi.nii.gz --mask $S/xfibres/nodif_brain_mask.nii.gz --family ball-sticks --out $W/fit --force --quiet && python3 examples/summary.py $W/fit $S/xfibres
chain|quick|nlsam-slab|prism-dmri fit $S/dwi.nii.gz --mask $S/xfibres/nodif_brain_mask.nii.gz --out $W/fit --engine mcmc --model 1 --force --quiet && python3 examples/summary.py $W/fit $S/xfibres
chain-2|quick|mdt axsi|prism-dmri fit $S/dwi.nii.gz --mask $S/xfibres/nodif_brain_mask.nii.gz --out $W/fit --engine mcmc --model 2 --force --quiet && python3 examples/summary.py $W/fit $S/xfibres
outputs|quick|axsi|prism-dmri fit $S/dwi.nii.gz --mask $S/mask.nii.gz --family ball-sticks --out $W/fit --force --quiet && python3 examples/check_outputs.py $W/fit
tractography|slow|nlsam|bash examples/tractography.sh $S $W/tracts 1000
tissue-presets|slow|mdt axsi|prism-dmri fit $S/dwi.nii.gz --mask $S/mask.nii.gz --out $W/fast --family tissue --preset fast --force && prism-dmri validate scan $S/dwi.nii.gz --mask $S/mask.nii.gz --family tissue --preset fast --voxels 60 && prism-dmri fit $S/dwi.nii.gz --mask $S/mask.nii.gz --out $W/balanced --family tissue --preset balanced --force && prism-dmri validate scan $S/dwi.nii.gz --mask $S/mask.nii.gz --family tissue --preset balanced --voxels 60
other-lambda|slow|mdt|python3 examples/other_lambda.py "$(command -v prism-dmri)" $S/dwi.nii.gz $S/mask.nii.gz $W/tissue --family tissue && python3 examples/other_lambda.py "$(command -v prism-dmri)" $S/dwi.nii.gz $S/mask.nii.gz $W/gaussian --family gaussian && python3 examples/other_lambda.py "$(command -v prism-dmri)" $S/dwi.nii.gz $S/mask.nii.gz $W/ball-sticks --family ball-sticks
tissue-residuals|slow|axsi mdt|prism-dmri fit $S/dwi.nii.gz --mask $S/mask.nii.gz --out $W/tissue --family tissue --preset fast --force --quiet && prism-dmri fit $S/dwi.nii.gz --mask $S/mask.nii.gz --family ball-sticks --out $W/bs --preset fast --force --quiet && python3 -c "import json,sys; [print(f, json.load(open(f + '/fit.json'))['residuals']['anyFibre']) for f in sys.argv[1:]]" $W/tissue $W/bs
gaussian-calibration|slow||prism-dmri validate simulations --family gaussian --lambda 0.5 --acquisition $p/three-shell-1000-2000-3000.yaml --voxels 1000 --samples 200 && prism-dmri validate simulations --family gaussian --preset fast --lambda 0.5 --acquisition $p/three-shell-1000-2000-3000.yaml --voxels 1000 --samples 200
microstructure-calibration|slow||prism-dmri validate simulations --family microstructure --acquisition $p/three-shell-1000-2000-3000.yaml --voxels 2000 --samples 200 && prism-dmri validate simulations --family microstructure --preset fast --acquisition $p/three-shell-1000-2000-3000.yaml --voxels 2000 --samples 200 && sed 's/^  name: microstructure/  name: other/' protocols/models/microstructure.yaml > $W/other.yaml && prism-dmri validate simulations --family $W/other.yaml --acquisition $p/three-shell-1000-2000-3000.yaml --voxels 200 --samples 200
families-evidence|slow|axsi mdt|prism-dmri fit $S/dwi.nii.gz --mask $S/mask.nii.gz --out $W/microstructure --family microstructure --preset fast --force --quiet && prism-dmri fit $S/dwi.nii.gz --mask $S/mask.nii.gz --out $W/gaussian --family gaussian --preset fast --force --quiet && prism-dmri fit $S/dwi.nii.gz --mask $S/mask.nii.gz --out $W/tissue --family tissue --preset fast --force --quiet && prism-dmri fit $S/dwi.nii.gz --mask $S/mask.nii.gz --out $W/ball-sticks --family ball-sticks --preset fast --force --quiet && prism-dmri compare $W/microstructure $W/gaussian --lambda 0.5 && prism-dmri compare $W/microstructure $W/tissue --lambda 0.5 && prism-dmri compare $W/microstructure $W/ball-sticks --lambda 0.5 && prism-dmri compare $W/gaussian $W/tissue --lambda 0.5 && prism-dmri compare $W/gaussian $W/ball-sticks --lambda 0.5 && prism-dmri compare $W/microstructure $W/gaussian --lambda 1 && prism-dmri compare $W/microstructure $W/tissue --lambda 1 && prism-dmri compare $W/microstructure $W/ball-sticks --lambda 1 && prism-dmri compare $W/gaussian $W/tissue --lambda 1 && prism-dmri compare $W/gaussian $W/ball-sticks --lambda 1 && prism-dmri compare $W/microstructure $W/gaussian --lambda 2 && prism-dmri compare $W/microstructure $W/tissue --lambda 2 && prism-dmri compare $W/microstructure $W/ball-sticks --lambda 2 && prism-dmri compare $W/gaussian $W/tissue --lambda 2 && prism-dmri compare $W/gaussian $W/ball-sticks --lambda 2
tissue-evidence|slow|axsi mdt|prism-dmri fit $S/dwi.nii.gz --mask $S/mask.nii.gz --out $W/tissue --family tissue --preset fast --force --quiet && prism-dmri fit $S/dwi.nii.gz --mask $S/mask.nii.gz --family ball-sticks --out $W/bs --preset fast --force --quiet && prism-dmri compare $W/tissue $W/bs --lambda 0
tissue-water|slow|water|prism-dmri fit $S/dwi.nii.gz --mask $S/mask.nii.gz --out $W/fit --family tissue --force --quiet && prism-dmri maps $W/fit --lambda 0.5,1,2 --out $W/maps --force --quiet && for l in 0.5 1 2; do python3 examples/summary.py $W/maps/lambda-$l; done
tissue-calibration|slow||prism-dmri validate simulations --family tissue --acquisition $p/three-shell-1000-2000-3000.yaml --voxels 10000 --samples 400
tensor-beside|slow|mdt|prism-dmri fit $S/dwi.nii.gz --mask $S/mask.nii.gz --out $W/tissue --family tissue --preset fast --force --quiet && prism-dmri fit $S/dwi.nii.gz --mask $S/mask.nii.gz --out $W/gaussian --family gaussian --preset fast --force --quiet && python3 examples/tensor_beside.py $S/dwi.nii.gz $S/mask.nii.gz $W/tissue $W/gaussian
published-priors|quick||python3 examples/published_priors.py "$(command -v prism-dmri)" --voxels 1000
published-priors-gaussian|slow||python3 examples/published_priors.py "$(command -v prism-dmri)" --family gaussian --lambda 0.25,0.5,1 --voxels 300
compartments|quick||python3 examples/compartments.py
tissue-crossings|slow||prism-dmri validate crossings --acquisition $p/three-shell-1000-2000-3000.yaml --lambda 0.5 --voxels 60 --angles 25,30,35,40,45,50,60,70,90 --ratio 0 --family ball-sticks && prism-dmri validate crossings --acquisition $p/three-shell-1000-2000-3000.yaml --lambda 0.5 --voxels 60 --angles 25,30,35,40,45,50,60,70,90 --ratio 0 --family tissue && prism-dmri validate crossings --acquisition $p/three-shell-1000-2000-3000.yaml --lambda 0.5 --voxels 60 --angles 25,30,35,40,45,50,60,70,90 --ratio 0.3 --family ball-sticks && prism-dmri validate crossings --acquisition $p/three-shell-1000-2000-3000.yaml --lambda 0.5 --voxels 60 --angles 25,30,35,40,45,50,60,70,90 --ratio 0.3 --family tissue
noddi|slow|mdt|python3 examples/noddi.py "$(command -v prism-dmri)" $S/dwi.bval $S/dwi.bvec $W/noddi && python3 examples/noddi.py "$(command -v prism-dmri)" $S/dwi.bval $S/dwi.bvec $W/noddi --scan $S/dwi.nii.gz $S/mask.nii.gz
noddi-calibration|quick||prism-dmri validate simulations --family noddi --acquisition $p/three-shell-1000-2000-3000.yaml --voxels 10000 --samples 400 && prism-dmri validate simulations --family noddi --acquisition $p/three-shell-1000-2000-3000.yaml --voxels 48 --smc-voxels 48 --smc-error 0.05
published-families-smc|slow||prism-dmri validate simulations --family gaussian --lambda 0.5 --acquisition $p/three-shell-1000-2000-3000.yaml --voxels 12 --smc-voxels 12 --smc-structures 5 --samples 50 && prism-dmri validate simulations --family microstructure --lambda 0.5 --acquisition $p/three-shell-1000-2000-3000.yaml --voxels 12 --smc-voxels 12 --smc-structures 4 --samples 50
tissue-evidence-smc|slow||prism-dmri validate simulations --family tissue --acquisition $p/three-shell-1000-2000-3000.yaml --voxels 48 --smc-voxels 48 --smc-structures 6 --samples 50
sandi-calibration|slow||prism-dmri validate simulations --family sandi --acquisition $p/sandi-170.yaml --voxels 400 --samples 100
tissue-soma-calibration|slow||prism-dmri validate simulations --family tissue --acquisition $p/sandi-170.yaml --voxels 2000 --samples 100 && prism-dmri validate simulations --family tissue --acquisition $p/sandi-170.yaml --voxels 2000 --samples 100 --network Sources/CNetworks/tissue.safetensors && sed 's/^  name: tissue/  name: other/' protocols/models/tissue.yaml > $W/other.yaml && prism-dmri validate simulations --family $W/other.yaml --acquisition $p/sandi-170.yaml --voxels 2000 --samples 100
cell-bodies|slow||python3 examples/cell_bodies.py "$(command -v prism-dmri)" $W
soma-scan|slow|axsi|prism-dmri fit $S/dwi.nii.gz --mask $S/mask.nii.gz --family tissue --small-delta 15 --big-delta 45 --out $W/cells --force && prism-dmri fit $S/dwi.nii.gz --mask $S/mask.nii.gz --family tissue --out $W/plain --force && prism-dmri compare $W/cells $W/plain && prism-dmri stats $W/cells --roi $S/mask.nii.gz
networks-sbmi|slow||prism-dmri train --recipe protocols/models/ball-sticks.yaml --simulations 800000 --nthreads 1 --out $W/prism && prism-dmri train --recipe protocols/models/ball-sticks.yaml --simulations 800000 --nthreads 1 --method sbmi --lambda 0 --out $W/sbmi-at-0 && prism-dmri train --recipe protocols/models/ball-sticks.yaml --simulations 800000 --nthreads 1 --method sbmi --lambda 1 --out $W/sbmi-at-1 && prism-dmri train --recipe protocols/models/ball-sticks.yaml --simulations 800000 --nthreads 1 --method sbmi --lambda 2 --out $W/sbmi-at-2 && prism-dmri validate networks $W/prism $W/sbmi-at-0 $W/sbmi-at-1 $W/sbmi-at-2 Sources/CNetworks/ball-sticks.safetensors --voxels 2000
speed|quick||prism-dmri bench pipeline && prism-dmri bench kernels && prism-dmri bench likelihood && prism-dmri bench network
speed-scaling|slow||prism-dmri bench scaling --voxels 256
speed-training|slow||prism-dmri bench train --recipe protocols/models/ball-sticks.yaml --nthreads 1
regression|slow||prism-regression validate --terms 15 --series 300 --seed 7 && prism-regression validate --terms 15 --series 40 --lambda 0 1 2 3 --sweeps 4000 --seed 7 && prism-regression validate --terms 30 --series 300 --sweeps 4000 --seed 7 && prism-regression validate --terms 30 --series 100 --lambda 2 --sweeps 2000 --seed 7 && prism-regression validate --terms 50 --series 100 --sweeps 4000 --seed 7 && prism-regression validate --terms 80 --series 150 --sweeps 4000 --seed 7 && prism-regression validate --terms 100 --series 100 --sweeps 4000 --seed 7
regression-network|slow||for k in 50 80 100; do prism-regression train --terms $k --simulations 200000 --out $W/prism-$k && prism-regression validate --terms $k --series 400 --seed 7 --network $W/prism-$k --network-only && prism-regression validate --terms $k --series 20 --seed 7 --network $W/prism-$k; done; prism-regression validate --terms 50 --series 20 --seed 7; prism-regression validate --terms 80 --series 20 --seed 7; prism-regression train --terms 15 --simulations 500000 --out $W/prism-15 && prism-regression validate --terms 15 --series 40 --seed 7 --network $W/prism-15; prism-regression train --terms 30 --simulations 200000 --out $W/prism-30 && prism-regression validate --terms 30 --series 40 --seed 7 --network $W/prism-30
regression-sbmi|slow||for m in prism sbmi; do prism-regression train --terms 15 --method $m --simulations 500000 --out $W/$m-15 && prism-regression validate --terms 15 --series 400 --lambda 0 1 2 --seed 7 --network $W/$m-15 --network-only && prism-regression train --terms 30 --method $m --simulations 200000 --out $W/$m-30 && prism-regression validate --terms 30 --series 400 --lambda 0 1 2 --seed 7 --network $W/$m-30 --network-only; done; for l in 0 2; do prism-regression train --terms 15 --method sbmi --lambda $l --simulations 500000 --out $W/sbmi-15-at-$l && prism-regression validate --terms 15 --series 400 --lambda $l --seed 7 --network $W/sbmi-15-at-$l --network-only; done
side-by-side|slow|nlsam-slab|bash examples/side_by_side.sh $S $W/side
TABLE
}

if [ "${1:-}" = --list ]; then
    table | while IFS='|' read -r name speed scans command; do
        printf '%-20s %-6s %s\n' "$name" "$speed" "${scans:+(on: $scans) }$command"
    done
    exit
fi
[ $# -ge 1 ] || { sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 64; }
O=$(mkdir -p "$1" && cd "$1" && pwd)
shift
slow=no names=()
for word in "$@"; do if [ "$word" = --slow ]; then slow=yes; else names+=("$word"); fi; done
for name in ${names[@]+"${names[@]}"}; do
    table | grep -q "^$name|" || { echo "figures.sh: there is no figure '$name'; --list names them" >&2; exit 64; }
done

failed=0
while IFS='|' read -r name speed scans command <&3; do
    if [ ${#names[@]} -gt 0 ]; then
        [[ " ${names[*]} " == *" $name "* ]] || continue
    elif [ "$speed" = slow ] && [ $slow = no ]; then
        continue
    fi
    for scan in ${scans:--}; do
        S=$data/$scan W=$O/work/$name-$scan out=$O/$name.txt
        [ "$scan" = - ] || out=$O/$name-$scan.txt
        if [ "$scan" != - ] && { [ -z "$data" ] || [ ! -e "$S" ]; }; then
            echo "$name: left out, needs PRISM_DATA/$scan" >&2
            continue
        fi
        mkdir -p "$W"
        echo "$name${scans:+ ($scan)}" >&2
        if { prism-dmri --version; echo "$command"; ( eval "$command" ); } > "$out" 2>&1; then
            rm -rf "$W"
        else
            echo "$name: failed; see $out" >&2
            failed=1
        fi
    done
done 3< <(table)
exit $failed
