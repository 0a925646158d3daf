import Foundation

extension Phantom {
    /// A small brain: an ellipsoid of grey-matter-like tissue with two ventricles and curved bundles that cross where
    /// real ones do.
    ///
    /// Bundles: a callosum (left–right, rising to both sides and fanning to the front and back), and on each side a
    /// corticospinal tract (upwards) and superior longitudinal, inferior longitudinal and cingulum bundles
    /// (front–back). Callosum, corticospinal and superior longitudinal bundle meet beside and above the ventricles:
    /// three fibres there, two around and where the cingulum touches the callosum, else one.
    ///
    /// Fractions fall smoothly towards a bundle's edge, where they are cut at 0.1; diffusivity and s0 vary with them
    /// and across the brain. σ is one number for the whole image, as on a scanner: `referenceSignal` / snr; so snr
    /// differs from voxel to voxel, and the space around the brain holds noise alone.
    public static func brain(shape: [Int], snr: Double, noise: Noise, seed: UInt64) -> Phantom {
        var builder = PhantomBuilder(shape: shape, seed: seed)
        let sigma = referenceSignal / snr, extent = SIMD3(Double(shape[0]), Double(shape[1]), Double(shape[2]))
        for index in 0..<shape.reduce(1, *) {
            let p = place(index, shape)
            guard let tissue = BrainScene.tissue(p) else { continue }
            let s0 = referenceSignal * tissue.brightness * sensitivity(p)
            builder.add(
                index, diffusivity: tissue.diffusivity,
                sticks: tissue.sticks.map { ($0.fraction, DirectionSets.unit($0.tangent * extent)) }, s0: s0,
                snr: s0 / sigma, noise: noise)
        }
        return builder.phantom(background: (sigma, noise))
    }
}

/// The brain phantom in the scaled coordinates of `Phantom.place`: x to the right, y to the front, z up, all within
/// [−1, 1].
enum BrainScene {
    struct Tissue {
        var diffusivity: Double
        /// s0 relative to white matter's.
        var brightness: Double
        /// Tangents are in scaled coordinates, of any length.
        var sticks: [(fraction: Double, tangent: SIMD3<Double>)]
    }

    /// Fraction of all sticks in the middle of a bundle, and the smallest that a stick may have.
    static let largestTotal = 0.72, smallestFraction = 0.1

    /// A bundle: how much of a place belongs to it (0 outside, 1 in its middle), and its tangent there.
    typealias Bundle = @Sendable (_ p: SIMD3<Double>) -> (weight: Double, tangent: SIMD3<Double>)

    static let bundles: [(name: String, at: Bundle)] =
        [("callosum", callosum)]
        + [-1.0, 1].flatMap { side -> [(name: String, at: Bundle)] in
            let name = side < 0 ? "left" : "right"
            return [
                ("corticospinal, \(name)", { corticospinal($0, side) }),
                (
                    "superior longitudinal, \(name)",
                    {
                        longitudinal(
                            $0, x: side * 0.42, bend: -side * 0.15, z: 0.34, sag: -0.25, width: SIMD2(0.22, 0.22))
                    }
                ),
                (
                    "inferior longitudinal, \(name)",
                    {
                        longitudinal(
                            $0, x: side * 0.54, bend: -side * 0.35, z: -0.34, sag: 0.10, width: SIMD2(0.22, 0.24))
                    }
                ),
                (
                    "cingulum, \(name)",
                    { longitudinal($0, x: side * 0.13, bend: 0, z: 0.46, sag: -0.45, width: SIMD2(0.13, 0.17)) }
                ),
            ]
        }

    /// What is at a place; nil outside the brain.
    static func tissue(_ p: SIMD3<Double>) -> Tissue? {
        let radius = (p * p).sum().squareRoot()
        guard radius < 0.95 else { return nil }
        let variation = 1 + 0.06 * sin(2.1 * p.x + 1.3 * p.y + 0.4) + 0.04 * cos(2.7 * p.z - 1.1 * p.y)
        let ventricle = (SIMD3(abs(p.x), p.y, p.z) - SIMD3(0.12, 0.02, -0.10)) / SIMD3(0.09, 0.42, 0.17)
        if (ventricle * ventricle).sum() < 1 { return Tissue(diffusivity: 3.0e-3, brightness: 2.3, sticks: []) }

        let cortex = 1 - smoothStep(0.82, 0.90, radius)
        var found = bundles.map { bundle in
            let (weight, tangent) = bundle.at(p)
            return (weight: weight * cortex, tangent: tangent)
        }.filter { $0.weight > 0 }
        var total = 0.0
        // A bundle too weak to count as a fibre leaves its room to the rest.
        while !found.isEmpty {
            total = largestTotal * (1 - found.reduce(1) { $0 * (1 - $1.weight) })
            let sum = found.reduce(0) { $0 + $1.weight },
                weakest = found.indices.min { found[$0].weight < found[$1].weight }!
            if found.count <= 3 && total * found[weakest].weight / sum >= smallestFraction { break }
            found.remove(at: weakest)
            total = 0
        }
        let sum = found.reduce(0) { $0 + $1.weight }, share = total / largestTotal
        return Tissue(
            diffusivity: (0.95e-3 + 0.6e-3 * share) * variation, brightness: 1.25 - 0.25 * share,
            sticks: found.map { (total * $0.weight / sum, $0.tangent) })
    }

    /// 0 below a, 1 above b, a cubic between.
    static func smoothStep(_ a: Double, _ b: Double, _ x: Double) -> Double {
        let t = max(0, min(1, (x - a) / (b - a)))
        return t * t * (3 - 2 * t)
    }

    /// 1 in a bundle's inner half, falling to 0 at its edge (distance 1).
    private static func profile(_ distance: Double) -> Double { 1 - smoothStep(0.5, 1, distance) }

    /// A sheet of fibres z = const + 0.7 x², y = const · (1 + 0.6 x²).
    private static let callosum: Bundle = { p in
        let widening = 1 + 0.6 * p.x * p.x, y = p.y / widening
        let slope = 1.4 * p.x, distance = abs(p.z - 0.20 - 0.7 * p.x * p.x) / (1 + slope * slope).squareRoot() / 0.22
        return (profile(distance) * profile(abs(y + 0.02) / 0.75), SIMD3(1, 1.2 * p.x * y, slope))
    }

    /// From (±0.10, 0.05, −0.85) upwards and outwards, fanning a little above.
    private static func corticospinal(_ p: SIMD3<Double>, _ side: Double) -> (weight: Double, tangent: SIMD3<Double>) {
        let middle = SIMD2(side * (0.28 + 0.20 * p.z), 0.10 - 0.18 * p.z * p.z), spread = SIMD2(0.19, 0.36)
        let off = (SIMD2(p.x, p.y) - middle) / (spread * (1 + 0.3 * p.z))
        // Fibres keep their relative place in the cross-section, so they follow the middle and the widening.
        let tangent = SIMD3(side * 0.20 + 0.3 * off.x * spread.x, -0.36 * p.z + 0.3 * off.y * spread.y, 1)
        return (profile((off * off).sum().squareRoot()), tangent)
    }

    /// Along y: middle (x + bend y², y, z + sag y²).
    private static func longitudinal(
        _ p: SIMD3<Double>, x: Double, bend: Double, z: Double, sag: Double, width: SIMD2<Double>
    ) -> (weight: Double, tangent: SIMD3<Double>) {
        let off = SIMD2(p.x - x - bend * p.y * p.y, p.z - z - sag * p.y * p.y) / width
        return (profile((off * off).sum().squareRoot()), SIMD3(2 * bend * p.y, 1, 2 * sag * p.y))
    }
}
