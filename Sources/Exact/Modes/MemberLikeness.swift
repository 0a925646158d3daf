import CKernels
import Foundation
import ModelSpace

/// Which labels exchangeable members get: by likeness to the members of a mode.
///
///     log g(x) = Σ_k l_k(x_k),   h(x) = g(x) / Σ_π g(πx),   l: `pk_member_set`, whose κ are half of what would make g
///     fall off as the local normal does
///
/// h sums to one over the labellings of a sample, so that the integral over all x of target × h is that over one
/// labelling each. A likeness without sharp edges wastes no samples near them.
struct MemberLikeness {
    /// One set of members.
    private struct Part {
        var axes: Int, rotations: Int, scalars: Int, count: Int
        /// As `pk_member_set` has them, places being those in a point.
        var places: [Int32], references: [Float], sharpness: [Float]
    }
    private let parts: [Part]
    /// Of the squared cosine of an axis; for scalars relative to their range.
    private static let axisBounds = (low: 1.0, high: 50.0), scalarMost = 200.0

    init(_ mode: PosteriorMode) {
        self.init(
            mode.layout, mode.centre,
            mode.layout.exchangeable.isEmpty ? [] : (mode.shapeIndex..<mode.dimension).map(mode.deviation))
    }

    /// - Parameter deviations: of a mode's local coordinates of the shape.
    init(_ layout: SignalLayout, _ x: [Double], _ deviations: [Double]) {
        parts = layout.exchangeable.map { members in
            var part = Part(
                axes: members[0].axes.count, rotations: members[0].rotations.count, scalars: members[0].scalars.count,
                count: members.count, places: [],
                references: [], sharpness: [])
            func angular(_ deviations: ArraySlice<Double>) -> Float {
                let mean = deviations.reduce(0) { $0 + $1 * $1 } / Double(deviations.count)
                return Float(max(Self.axisBounds.low, min(Self.axisBounds.high, 0.25 / mean)))
            }
            for member in members {
                for a in member.axes {
                    let at = layout.firstAxis + 3 * a, t = layout.scalars.count + 2 * a
                    part.places.append(Int32(at))
                    for c in 0..<3 { part.references.append(Float(x[at + c])) }
                    part.sharpness.append(angular(deviations[t..<t + 2]))
                }
                for r in member.rotations {
                    let at = layout.firstRotation + 4 * r, t = layout.scalars.count + 2 * layout.axes.count + 3 * r
                    part.places.append(Int32(at))
                    for c in 0..<4 { part.references.append(Float(x[at + c])) }
                    part.sharpness.append(angular(deviations[t..<t + 3]) / 2)
                }
                for j in member.scalars {
                    let deviation = deviations[j], range = layout.scalars[j].high - layout.scalars[j].low
                    part.places.append(Int32(layout.firstScalar + j))
                    part.references.append(Float(x[layout.firstScalar + j]))
                    part.sharpness.append(Float(min(Self.scalarMost / (range * range), 0.25 / (deviation * deviation))))
                }
            }
            return part
        }
    }

    /// Of each set the order π with the greatest Σ_k l_k(x_π(k)).
    func orders(of x: UnsafePointer<Double>) -> [[Int]] {
        parts.map { part -> [Int] in
            let n = part.count, width = part.axes + part.rotations + part.scalars,
                size = 3 * part.axes + 4 * part.rotations + part.scalars
            // Reference k against the member at place s.
            func likeness(_ k: Int, _ s: Int) -> Double {
                var sum = 0.0, reference = k * size
                for i in 0..<width {
                    let at = Int(part.places[s * width + i]), kappa = Double(part.sharpness[k * width + i])
                    func r(_ c: Int) -> Double { Double(part.references[reference + c]) }
                    if i < part.axes {
                        let c = x[at] * r(0) + x[at + 1] * r(1) + x[at + 2] * r(2)
                        sum += kappa * c * c
                        reference += 3
                    } else if i < part.axes + part.rotations {
                        let a = r(0) * x[at + 1] - r(1) * x[at] - r(2) * x[at + 3] + r(3) * x[at + 2]
                        let b = r(0) * x[at + 2] - r(2) * x[at] - r(3) * x[at + 1] + r(1) * x[at + 3]
                        let c = r(0) * x[at + 3] - r(3) * x[at] - r(1) * x[at + 2] + r(2) * x[at + 1]
                        for pair in [b * b + c * c, a * a + c * c, a * a + b * b] {
                            sum += kappa * (1 - 2 * pair) * (1 - 2 * pair)
                        }
                        reference += 4
                    } else {
                        let gap = x[at] - r(0)
                        sum -= kappa * gap * gap
                        reference += 1
                    }
                }
                return sum
            }
            // The best way to give the first few references the members of a subset.
            return withUnsafeTemporaryAllocation(of: Double.self, capacity: n * n + 1 << n) { doubles in
                withUnsafeTemporaryAllocation(of: Int.self, capacity: 1 << n) { last in
                    let table = doubles.baseAddress!, best = table + n * n
                    for k in 0..<n { for s in 0..<n { table[k * n + s] = likeness(k, s) } }
                    best[0] = 0
                    for some in 1..<1 << n {
                        let k = some.nonzeroBitCount - 1
                        (best[some], last[some]) = (-.infinity, 0)
                        for s in 0..<n where some >> s & 1 == 1 {
                            let value = best[some ^ 1 << s] + table[k * n + s]
                            if value > best[some] { (best[some], last[some]) = (value, s) }
                        }
                    }
                    var order = [Int](repeating: 0, count: n), some = (1 << n) - 1
                    for k in (0..<n).reversed() {
                        order[k] = last[some]
                        some ^= 1 << last[some]
                    }
                    return order
                }
            }
        }
    }

    /// Adds log h of the samples in rows (a row for each number of a point) from `first` on to two logs.
    func share(
        _ rows: UnsafePointer<Float>, stride: Int, first: Int, count: Int, gaussian: UnsafeMutablePointer<Double>,
        rician: UnsafeMutablePointer<Double>
    ) {
        for part in parts {
            part.places.withUnsafeBufferPointer { places in
                part.references.withUnsafeBufferPointer { references in
                    part.sharpness.withUnsafeBufferPointer { sharpness in
                        var set = pk_member_set(
                            members: part.count, axes: part.axes, rotations: part.rotations, scalars: part.scalars,
                            places: places.baseAddress,
                            references: references.baseAddress, sharpness: sharpness.baseAddress)
                        pk_share_labels(&set, rows + first, stride, count, gaussian + first, rician + first)
                    }
                }
            }
        }
    }
}
