import CKernels
import Diffusion
import Exact
import Foundation
import ModelSpace

/// The kernels of ball and sticks: signal, derivatives, proposals.
extension Bench {
    public mutating func modelKernels(measurements m: Int) throws {
        let design = BenchSubject.acquisition(measurements: m)
        for spread in [false, true] {
            for n in 0...3 { try signals(design, n, spread) }
            try proposals(sticks: 2, spread: spread)
        }
    }

    private mutating func signals(_ design: Acquisition, _ n: Int, _ spread: Bool) throws {
        let m = design.count,
            z = BallSticks().structureSpace.structures.first {
                BallSticks.stickCount($0) == n && BallSticks.hasSpread($0) == spread
            }!
        let (theta, _) = BenchSubject.voxel(z, design), g = LocalGeometry(z),
            shape = "\(n) sticks\(spread ? ", spread" : ""), M = \(m)"
        let b = design.bValues.map(Float.init), gx = design.directions.map { Float($0.x) },
            gy = design.directions.map { Float($0.y) }
        let gz = design.directions.map { Float($0.z) }
        typealias Slot = BallSticks.Slot
        let d = Float(theta[Slot.diffusivity]), s = Float(theta[Slot.spread]), s0 = Float(theta[Slot.s0])
        let shares = theta[Slot.fraction..<Slot.fraction + 3].map(Float.init),
            fractions = [1 - shares.reduce(0, +)] + shares
        let axes = theta[Slot.axis..<Slot.axis + 9].map(Float.init)
        var out = [Float](repeating: 0, count: m)
        func signal(_ theta: [Double]) -> [Double] {
            (0..<m).map { BallSticks.attenuation(theta, z, b: design.bValues[$0], g: design.directions[$0]) }
        }
        let plain = signal(theta), exponentials = Double(m * (n + 1) * (spread ? 2 : 1))
        pk_ball_sticks_signal(m, b, gx, gy, gz, d, s, n, fractions, axes, &out)
        try add(
            "signal", shape, operations: Double(m * (8 * n + 2)), exponentials: exponentials, bytes: Double(20 * m),
            deviation: Self.deviation(out, plain),
            tolerance: 2e-6
        ) { pk_ball_sticks_signal(m, b, gx, gy, gz, d, s, n, fractions, axes, &out) }

        // Derivatives against central differences in the local coordinates (but for log snr).
        let rowCount = 2 + (spread ? 1 : 0) + 3 * n
        var tangents = [Double](repeating: 0, count: max(1, 6 * n)), rows = [Float](repeating: 0, count: rowCount * m),
            expected: [Double] = []
        g.tangents(theta, into: &tangents)
        let places =
            Array(0..<n) + (spread ? [n] : []) + [g.diffusivityIndex, g.s0Index]
            + (0..<2 * n).map { g.tangentIndex + $0 }
        for place in places {
            func moved(_ step: Double) -> [Double] {
                var u = [Double](repeating: 0, count: g.dimension), other = theta
                u[place] = step
                g.move(theta, tangents, by: u, into: &other)
                // log d moves the spread along in these coordinates, which the kernel's derivative does too.
                return signal(other).map { $0 * other[Slot.s0] }
            }
            expected += zip(moved(1e-5), moved(-1e-5)).map { ($0 - $1) / 2e-5 }
        }
        let e = tangents.map(Float.init)
        func run() { pk_ball_sticks_gradient(m, b, gx, gy, gz, d, s, s0, n, fractions, axes, e, &out, &rows) }
        run()
        try add(
            "signal and derivatives", shape, operations: Double(m * (25 * n + 6)), exponentials: exponentials,
            bytes: Double(4 * m * (5 + rowCount)),
            deviation: Self.deviation(rows, expected), tolerance: 1e-5, run)
    }

    private mutating func proposals(sticks n: Int, spread: Bool) throws {
        let count = 128, extra = spread ? 1 : 0, d = 1 + 2 * n + extra, z = Self.structure(n, spread)
        let plain = PlainShape(z)
        var support = plain.support
        var random = RandomSource(seed: 1, stream: 3)
        let uniforms = (0..<d * count).map { _ in Float(0.001 + 0.998 * random.uniform()) }
        var rows = [Float](repeating: 0, count: 16 * count), density = [Float](repeating: 0, count: count)
        func draw() {
            pk_shape_draw(plain.block, n, Int32(extra), &support, uniforms, 0, count, count, &rows)
        }
        // As many together as a generation meets, here the same one: its density times their number.
        let many = 24, blocks = (0..<many).flatMap { _ in plain.block }, ones = [Float](repeating: 1, count: many)
        func evaluate() {
            for i in 0..<count { density[i] = -1e30 }
            pk_add_shape_densities(blocks, ones, many, n, Int32(extra), &support, rows, count, count, &density)
        }
        draw()
        evaluate()
        var off = (draw: 0.0, density: 0.0)
        for i in 0..<count {
            let (logDensity, levels) = plain.evaluate((0..<16).map { Double(rows[$0 * count + i]) })
            off.density = max(off.density, abs(logDensity + log(Double(many)) - Double(density[i])))
            // An interval that lies left of 0 is drawn mirrored, which is as good.
            for j in 0..<d {
                let u = Double(uniforms[j * count + i])
                off.draw = max(off.draw, min(abs(levels[j] - u), abs(1 - levels[j] - u)))
            }
        }
        // A quantile takes a logarithm and a root, a truncated one or a truncated density five exponentials or
        // logarithms; adding to a sum one.
        let shape = "\(count) samples, \(n) sticks\(spread ? ", spread" : "")", size = Double(count),
            products = size * Double(d * d)
        try add(
            "shape draw", shape, operations: products + size * Double(40 * d),
            exponentials: size * Double(2 * d + 3 * (1 + extra)),
            bytes: 4 * size * Double(2 * d + 16), units: count, deviation: off.draw, tolerance: 1e-3, draw)
        try add(
            "shape density", "\(shape), \(many) components",
            operations: Double(many) * (products + size * Double(46 * n)),
            exponentials: Double(many) * size * Double(1 + 5 * extra), bytes: 4 * size * Double(2 * d + 16),
            units: many * count, deviation: off.density, tolerance: 2e-3, evaluate)
    }

    private static func structure(_ n: Int, _ spread: Bool) -> Structure {
        BallSticks().structureSpace.structures.first {
            BallSticks.stickCount($0) == n && BallSticks.hasSpread($0) == spread
        }!
    }
}

/// A proposal of shapes, evaluated by the definition in double precision.
struct PlainShape {
    let geometry: LocalGeometry, block: [Float], support = LocalMode.support

    /// About parameters such as brain has, moderately correlated.
    init(_ z: Structure) {
        let g = LocalGeometry(z), spread = g.hasSpread ? 1 : 0, d = 1 + spread + 2 * g.sticks
        let (theta, _) = BenchSubject.voxel(z, BenchSubject.acquisition(measurements: 20))
        var tangents = [Double](repeating: 0, count: max(1, 6 * g.sticks)),
            block = [Float](repeating: 0, count: PK_SHAPE_SIZE)
        g.tangents(theta, into: &tangents)
        block[0] = Float(log(theta[BallSticks.Slot.diffusivity]))
        block[1] = g.hasSpread ? Float(log(theta[BallSticks.Slot.spread] / theta[BallSticks.Slot.diffusivity])) : 0
        for k in 0..<9 { block[PK_SHAPE_AXES + k] = Float(theta[BallSticks.Slot.axis + k]) }
        for k in 0..<6 * g.sticks { block[PK_SHAPE_TANGENTS + k] = Float(tangents[k]) }
        for i in 0..<d {
            for j in 0...i { block[PK_SHAPE_FACTOR + i * d + j] = i == j ? 20 : 3 * sin(Float(i + 2 * j)) }
        }
        geometry = g
        self.block = block
    }

    private static func cdf(_ x: Double) -> Double { 0.5 * erfc(-x / 2.0.squareRoot()) }

    /// The log-density at a sample, and for each coordinate the share of its conditional that lies below.
    func evaluate(_ x: [Double]) -> (logDensity: Double, levels: [Double]) {
        let g = geometry, n = g.sticks, spread = g.hasSpread ? 1 : 0, d = 1 + spread + 2 * n,
            c = block.map(Double.init), l = PK_SHAPE_FACTOR
        var u = [Double](repeating: 0, count: d), total = 0.0, levels = u
        u[2 * n] = x[0] - c[0]
        if g.hasSpread { u[2 * n + 1] = x[1] - c[1] }
        for k in 0..<n {
            func dot(_ i: Int) -> Double { (0..<3).reduce(0) { $0 + x[7 + 3 * k + $1] * c[i + $1] } }
            let w = dot(PK_SHAPE_AXES + 3 * k), e = PK_SHAPE_TANGENTS + 6 * k
            for t in 0..<2 { u[2 * k + t] = (w < 0 ? -1 : 1) * dot(e + 3 * t) / ((1 + abs(w)) / 2).squareRoot() }
        }
        for j in (0..<d).reversed() {
            let root: Double = c[l + j * d + j]
            var mean = 0.0
            for k in j + 1..<max(d, j + 1) { mean -= c[l + k * d + j] * u[k] / root }
            var low = -8 / root + mean, high = 8 / root + mean
            if j > 2 * n {
                (low, high) = (Double(support.ratio_low) - c[1], Double(support.ratio_high) - c[1])
            } else if j == 2 * n {
                (low, high) = (Double(support.d_low) - c[0], Double(support.d_high) - c[0])
            }
            let below = Self.cdf((low - mean) * root), inside = Self.cdf((high - mean) * root) - below,
                z = (u[j] - mean) * root
            levels[j] = (Self.cdf(z) - below) / inside
            total += log(root) - 0.5 * z * z - 0.5 * log(2 * .pi) - log(inside)
        }
        return (total, levels)
    }
}
