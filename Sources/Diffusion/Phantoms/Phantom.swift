import Foundation
import ModelSpace

/// A grid of voxels whose ball-and-sticks parameters are known, and the images that a scanner would take of it.
///
///     y = s0 · A(b, g; θ) + σ n₁                      Gaussian noise
///     y = |s0 · A(b, g; θ) + σ (n₁ + i n₂)|           Rician noise,       σ = s0 / snr
///
/// The grid lies as in most scanners' files: i grows to the left, j to the front, k upwards (LAS, det(affine) < 0), 2
/// mm cubes centred on the scanner's origin. Directions are in the scanner's frame.
///
/// The truth of a voxel depends on the seed and its place alone, its noise on the seed, its place and the volume's
/// number: so a series is the same in whatever order it is made.
///
/// Shapes: V voxels (those that hold something), P = 16 parameters. Units: mm, s/mm², mm²/s.
public struct Phantom: Sendable {
    public enum Kind: String, CaseIterable, Sendable { case brain, crossings, water, prior }
    public enum Noise: String, CaseIterable, Sendable { case gaussian, rician }

    /// Voxels along i, j, k.
    public let shape: [Int]
    public let seed: UInt64
    /// Places in the grid, i + X·(j + Y·k), ascending; V.
    public let indices: [Int]
    /// Number of sticks, spread and noise of each voxel; V.
    public let structures: [Structure]
    /// θ of each voxel as `BallSticks` lays it out, but s0 in the image's own units (about 1000); V × P. snr may be
    /// infinite: no noise.
    public let parameters: [Double]
    /// σ of the empty voxels around, and their noise, in the image's units; nil leaves them 0.
    public let background: (sigma: Double, noise: Noise)?

    /// How much gradients deviate (`deviating(by:)`).
    var deviation = 0.0

    /// Edge of a voxel, mm.
    public static let voxelSize = 2.0
    /// s0 of white matter where the coil's sensitivity is 1.
    public static let referenceSignal = 1000.0

    init(
        shape: [Int], seed: UInt64, indices: [Int], structures: [Structure], parameters: [Double],
        background: (sigma: Double, noise: Noise)? = nil
    ) {
        precondition(structures.count == indices.count && parameters.count == indices.count * BallSticks.Slot.count)
        self.shape = shape
        self.seed = seed
        self.indices = indices
        self.structures = structures
        self.parameters = parameters
        self.background = background
    }

    /// V.
    public var count: Int { indices.count }

    /// Voxels with 0, 1, 2 and 3 fibres.
    public var fibreCounts: [Int] {
        structures.reduce(into: [0, 0, 0, 0]) { $0[BallSticks.stickCount($1)] += 1 }
    }

    /// θ of voxel n, P values.
    public func theta(_ n: Int) -> ArraySlice<Double> {
        parameters[n * BallSticks.Slot.count..<(n + 1) * BallSticks.Slot.count]
    }

    /// The three upper rows of the voxel → scanner affine, twelve numbers (mm).
    public static func affineRows(_ shape: [Int]) -> [Double] {
        let e = voxelSize, half = shape.map { e * Double($0 - 1) / 2 }
        return [-e, 0, 0, half[0], 0, e, 0, -half[1], 0, 0, e, -half[2]]
    }

    /// The centre of a voxel in the scanner, each axis scaled so that the grid fills [−1, 1].
    static func place(_ index: Int, _ shape: [Int]) -> SIMD3<Double> {
        let (i, j, k) = (index % shape[0], index / shape[0] % shape[1], index / (shape[0] * shape[1]))
        func scaled(_ x: Int, _ n: Int) -> Double { (2 * Double(x) + 1) / Double(n) - 1 }
        return SIMD3(-scaled(i, shape[0]), scaled(j, shape[1]), scaled(k, shape[2]))
    }

    /// The coil's sensitivity, smooth, within 1 ± 0.2.
    static func sensitivity(_ p: SIMD3<Double>) -> Double { 1.02 + 0.08 * p.y - 0.06 * p.x * p.x + 0.03 * p.z }

    /// s0 · A(b, g; θ) of voxel n: what a noise-free scanner would measure.
    public func signal(_ n: Int, b: Double, g: SIMD3<Double>) -> Double {
        parameters.withUnsafeBufferPointer {
            let theta = $0.baseAddress! + n * BallSticks.Slot.count
            return theta[BallSticks.Slot.s0] * BallSticks.attenuation(theta, structures[n], b: b, g: g)
        }
    }

    /// Measures one volume: X·Y·Z values, i fastest, noise included.
    public func measure(_ volume: Int, _ acquisition: Acquisition, into grid: UnsafeMutableBufferPointer<Float>) {
        precondition(grid.count == shape.reduce(1, *))
        let b = acquisition.bValues[volume], g = acquisition.directions[volume]
        func noisy(_ signal: Double, _ sigma: Double, isRician: Bool, at index: Int) -> Float {
            guard sigma > 0 else { return Float(signal) }
            var random = RandomSource(seed: seed, stream: UInt64(index), substream: UInt64(volume) + 1)
            let real = signal + sigma * random.normal()
            guard isRician else { return Float(real) }
            let imaginary = sigma * random.normal()
            return Float((real * real + imaginary * imaginary).squareRoot())
        }
        if let background {
            for index in grid.indices {
                grid[index] = noisy(0, background.sigma, isRician: background.noise == .rician, at: index)
            }
        } else {
            for index in grid.indices { grid[index] = 0 }
        }
        for (n, index) in indices.enumerated() {
            let base = n * BallSticks.Slot.count
            let sigma = parameters[base + BallSticks.Slot.s0] / parameters[base + BallSticks.Slot.snr]
            let own = gradient(b: b, g: g, at: index)
            grid[index] = noisy(
                signal(n, b: own.b, g: own.g), sigma, isRician: BallSticks.isRician(structures[n]), at: index)
        }
    }
}

/// Collects the voxels of a phantom in the order of their places.
struct PhantomBuilder {
    let shape: [Int], seed: UInt64
    private var indices: [Int] = [], structures: [Structure] = [], parameters: [Double] = []

    init(shape: [Int], seed: UInt64) {
        precondition(shape.count == 3 && shape.allSatisfy { $0 > 0 })
        self.shape = shape
        self.seed = seed
    }

    /// The stream of random numbers for the truth of one voxel (its noise has others).
    func random(_ index: Int) -> RandomSource { RandomSource(seed: seed, stream: UInt64(index), substream: 0) }

    /// Adds a voxel without spread; the sticks may come in any order.
    mutating func add(
        _ index: Int, diffusivity: Double, sticks: [(fraction: Double, axis: SIMD3<Double>)], s0: Double, snr: Double,
        noise: Phantom.Noise
    ) {
        typealias Slot = BallSticks.Slot
        var theta = [Double](repeating: 0, count: Slot.count)
        theta[Slot.diffusivity] = diffusivity
        theta[Slot.snr] = snr
        theta[Slot.s0] = s0
        for (k, stick) in sticks.sorted(by: { $0.fraction > $1.fraction }).enumerated() {
            theta[Slot.fraction + k] = stick.fraction
            for c in 0..<3 { theta[Slot.axis + 3 * k + c] = stick.axis[c] }
        }
        add(index, BallSticks.structure(sticks: sticks.count, isRician: noise == .rician), theta)
    }

    mutating func add(_ index: Int, _ structure: Structure, _ theta: [Double]) {
        indices.append(index)
        structures.append(structure)
        parameters += theta
    }

    func phantom(background: (sigma: Double, noise: Phantom.Noise)? = nil) -> Phantom {
        Phantom(
            shape: shape, seed: seed, indices: indices, structures: structures, parameters: parameters,
            background: background)
    }
}

extension BallSticks {
    /// The structure with the first `sticks` sticks, without spread.
    static func structure(sticks: Int, isRician: Bool) -> Structure {
        Structure(bits: (1 << sticks) - 1 | (isRician ? 1 << ricianBit : 0))
    }
}
