import CKernels
import Foundation
import ModelSpace

/// Finds points from which to climb to a structure's modes: what another structure's mode leaves open is tried out all
/// over its prior's support, weights fitted to the data, and the best are kept. One a thread.
final class StartFinder {
    private let kernels: any SignalKernels, m: Int
    /// Sixteen points as the kernels read them, their attenuations; all that are tried, one after the other.
    private let rows = Room<Float>(), attenuations = Room<Float>(), points = Room<Double>()
    private let fits = Room<Float>()

    init(_ kernels: any SignalKernels) {
        self.kernels = kernels
        m = kernels.measurementCount
    }

    /// Points of the transfer's layout, the best first.
    ///
    /// Where an axis is open, points along nearly the same axes count as one (|cos| > 0.8): peaks, not their flanks.
    /// Where only scalars are, so do those that are alike in all of them, within 15 % of their ranges.
    ///
    /// - Parameters:
    ///   - x: the point that is carried over.
    ///   - most: how many are wanted.
    ///   - tries: how many are tried; a multiple of sixteen.
    func starts(
        _ y: UnsafePointer<Float>, _ transfer: LayoutTransfer, from x: [Double], most: Int, tries: Int,
        _ random: inout RandomSource
    ) -> [[Double]] {
        let layout = transfer.to, base = transfer.carry(x), blocks = transfer.isOpen ? max(1, tries / 16) : 1
        let shift = (0..<transfer.dimension).map { _ in random.uniform() }
        let n = layout.count, w = layout.componentCount
        let points = points.atLeast(16 * blocks * n), rows = rows.atLeast(16 * n), e = attenuations.atLeast(16 * m * w)
        var found: [(squares: Float, point: UnsafeMutablePointer<Double>)] = []
        found.reserveCapacity(16 * blocks)
        // Floors, then weights, squares and scale of sixteen points.
        let floors = fits.atLeast(w + 16 * (w + 2)), weights = floors + w, squares = weights + 16 * w,
            scale = squares + 16
        for k in 0..<w { floors[k] = Float(layout.components[k].bound) }
        let free = layout.weights == .simplex ? Float(1 - layout.floors) : 0
        for block in 0..<blocks {
            let first = points + 16 * block * n
            for lane in 0..<16 {
                let point = first + lane * n
                point.update(from: base, count: n)
                if transfer.isOpen { put(transfer, 16 * block + lane, shift, into: point) }
                for i in 0..<n { rows[16 * i + lane] = Float(point[i]) }
            }
            kernels.attenuations(layout, rows: rows, stride: 16, into: e)
            pk_fit_weights(m, w, y, e, floors, free, weights, squares, scale)
            for lane in 0..<(transfer.isOpen ? 16 : 1) where squares[lane].isFinite {
                let point = first + lane * n
                for k in 0..<w { point[SignalLayout.firstWeight + k] = Double(weights[16 * k + lane]) }
                if layout.weights == .simplex { point[SignalLayout.scale] = log(Double(scale[lane])) }
                point[SignalLayout.sigma] = 0.5 * log(max(1e-12, Double(squares[lane]) / Double(m)))
                found.append((squares[lane], point))
            }
        }
        found.sort { $0.squares < $1.squares }
        var chosen: [UnsafeMutablePointer<Double>] = []
        for (_, point) in found where chosen.count < most {
            let canBeFlank = !transfer.axes.isEmpty || (!transfer.scalars.isEmpty && transfer.rotations.isEmpty)
            let isFlank = canBeFlank && chosen.contains { isLike(transfer, point, $0) }
            if !isFlank { chosen.append(point) }
        }
        return chosen.map { point in
            layout.clamp(point)
            return Array(UnsafeBufferPointer(start: point, count: n))
        }
    }

    /// Whether two points are about one peak, by the axes that are open or, where there are none, by the scalars.
    private func isLike(_ transfer: LayoutTransfer, _ x: UnsafePointer<Double>, _ y: UnsafePointer<Double>) -> Bool {
        let layout = transfer.to
        guard transfer.axes.isEmpty else {
            return transfer.axes.allSatisfy { a in
                let at = layout.firstAxis + 3 * a
                return abs((0..<3).reduce(0) { $0 + x[at + $1] * y[at + $1] }) > 0.8
            }
        }
        return transfer.scalars.allSatisfy { j in
            let s = layout.scalars[j], at = layout.firstScalar + j
            return abs(x[at] - y[at]) < 0.15 * (s.high - s.low)
        }
    }

    /// Puts what is open at number i of a Kronecker sequence.
    private func put(
        _ transfer: LayoutTransfer, _ i: Int, _ shift: [Double], into point: UnsafeMutablePointer<Double>
    ) {
        let layout = transfer.to, steps = KroneckerPoints.steps
        var next = 0
        func number() -> Double {
            defer { next += 1 }
            let step = 0x1p-32 * Double(steps[next % steps.count])
            return (shift[next] + Double(i) * step).truncatingRemainder(dividingBy: 1)
        }
        for a in transfer.axes {
            let z = number(), phi = 2 * .pi * number(), r = (1 - z * z).squareRoot(), at = layout.firstAxis + 3 * a
            (point[at], point[at + 1], point[at + 2]) = (r * cos(phi), r * sin(phi), z)
        }
        for j in transfer.scalars {
            let s = layout.scalars[j]
            point[layout.firstScalar + j] = s.low + (s.high - s.low) * number()
        }
        for r in transfer.rotations {
            // Shoemake's uniform quaternions.
            let u = number(), v = 2 * .pi * number(), w = 2 * .pi * number(), a = (1 - u).squareRoot(),
                b = u.squareRoot(), at = layout.firstRotation + 4 * r
            (point[at], point[at + 1], point[at + 2], point[at + 3]) = (a * sin(v), a * cos(v), b * sin(w), b * cos(w))
        }
    }
}
