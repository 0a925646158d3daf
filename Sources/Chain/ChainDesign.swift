import CKernels
import Diffusion

/// An acquisition as the chain's kernels read it: rows of floats padded to a multiple of 16 by measurements of weight
/// 0. Immutable.
final class ChainDesign: @unchecked Sendable {
    /// M, and M rounded up.
    let count: Int, padded: Int
    let b, gx, gy, gz, weight: UnsafePointer<Float>
    private let floats: UnsafeMutablePointer<Float>

    init(_ acquisition: Acquisition) {
        count = acquisition.count
        padded = (count + 15) & ~15
        floats = .allocate(capacity: 5 * padded)
        floats.initialize(repeating: 0, count: 5 * padded)
        for i in 0..<count {
            let g = acquisition.directions[i]
            for (k, value) in [acquisition.bValues[i], g.x, g.y, g.z, 1].enumerated() {
                floats[k * padded + i] = Float(value)
            }
        }
        let start = UnsafePointer(floats)
        (b, gx, gy, gz, weight) = (start, start + padded, start + 2 * padded, start + 3 * padded, start + 4 * padded)
    }

    deinit { floats.deallocate() }

    /// Attenuations of the ball (no axis) or of a stick.
    @inline(__always)
    func fill(_ row: UnsafeMutablePointer<Double>, diffusivity: Double, spread: Double, axis: SIMD3<Double>?) {
        guard let axis else {
            pk_chain_row(padded, b, gx, gy, gz, weight, Float(diffusivity), Float(spread), nil, row)
            return
        }
        var a = (Float(axis.x), Float(axis.y), Float(axis.z))
        withUnsafeBytes(of: &a) {
            pk_chain_row(
                padded, b, gx, gy, gz, weight, Float(diffusivity), Float(spread),
                $0.baseAddress!.assumingMemoryBound(to: Float.self), row)
        }
    }
}

/// Attenuation rows of one state (ball, three sticks; those of absent sticks are zero) and their products with the data
/// and one another.
struct ChainRows {
    typealias Row = UnsafeMutablePointer<Double>
    var ball, first, second, third: Row
    /// Σ y a_k; then four columns Σ a_j a_k.
    var products: UnsafeMutablePointer<SIMD4<Double>>

    @inline(__always)
    subscript(k: Int) -> Row {
        get { k == 0 ? ball : k == 1 ? first : k == 2 ? second : third }
        set {
            if k == 0 {
                ball = newValue
            } else if k == 1 {
                first = newValue
            } else if k == 2 {
                second = newValue
            } else {
                third = newValue
            }
        }
    }

    /// Takes the products of `row`, about to stand in place k, into account.
    @inline(__always)
    func replace(_ k: Int, _ row: Row, _ y: Row, _ count: Int) {
        withUnsafeTemporaryAllocation(of: Double.self, capacity: 6) { buffer in
            let p = buffer.baseAddress!
            pk_chain_products(count, row, y, ball, first, second, third, p)
            let g = UnsafeMutableRawPointer(products).assumingMemoryBound(to: Double.self)
            g[k] = p[0]
            for j in 0..<4 { g[4 + 4 * k + j] = p[1 + j]; g[4 + 4 * j + k] = p[1 + j] }
            g[4 + 5 * k] = p[5]
        }
    }

    /// Σ (y − S0 Σ w_k a_k)² from the products; `square` is Σ y².
    @inline(__always)
    func residual(_ w: SIMD4<Double>, _ s0: Double, square: Double) -> Double {
        var gw: SIMD4<Double> = products[1] * w[0]
        gw += products[2] * w[1]
        gw += products[3] * w[2]
        gw += products[4] * w[3]
        return square - s0 * (2 * (w * products[0]).sum() - s0 * (w * gw).sum())
    }
}
