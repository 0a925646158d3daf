import CKernels
import Foundation
import ModelSpace
import Testing

@testable import Exact

/// Kernels of proposals of shapes, of labels and of weights, for any number of each, against plain references.
@Suite struct SignalProposalTests {
    struct Counts: Sendable, CustomStringConvertible {
        var axes: Int, rotations: Int, scalars: Int
        var description: String { "\(axes) axes, \(rotations) rotations, \(scalars) scalars" }
    }
    /// Some have code of their own.
    static let counts = [
        (0, 0, 1), (1, 0, 1), (2, 0, 2), (3, 0, 2), (1, 0, 0), (0, 1, 0), (0, 1, 3), (2, 1, 2), (4, 0, 5), (5, 2, 9),
    ].map(Counts.init)

    /// So many of each belong to one component; scalars lie in [−1, 2].
    static func layout(_ c: Counts) -> SignalLayout {
        var parameters = [Parameter("f", "", .weight(floor: 0))]
        for k in 0..<c.scalars { parameters.append(Parameter("s\(k)", "", .uniform(low: -1, high: 2))) }
        for k in 0..<c.axes { parameters.append(Parameter("a\(k)", "", .axis)) }
        for k in 0..<c.rotations { parameters.append(Parameter("r\(k)", "", .rotation)) }
        let family = try! FamilyDescription(
            "parts", shared: [], groups: [ComponentGroup("part", .always, parameters)],
            noise: ComponentGroup(
                "noise", .oneOf(["gaussian"]),
                [Parameter("snr", "", .logUniform(low: 3, high: 150)), Parameter("s0", "", .scale)]))
        return SignalLayout(family, ThetaLayout(family), StructureRule(family), Structure())
    }

    static func unit(_ n: Int, _ random: inout RandomSource) -> [Double] {
        let v = (0..<n).map { _ in random.normal() }, size = v.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return v.map { $0 / size }
    }

    struct Subject {
        var proposal: ShapeProposal, centre: [Double], component: [Float]
        var d: Int { proposal.dimension }
        /// L as the kernels have it.
        func l(_ i: Int, _ j: Int) -> Double { Double(component[component.count - d * d + i * d + j]) }

        /// Plain log-density of a point.
        func logDensity(_ x: [Double]) -> Double {
            let layout = proposal.layout, k = layout.scalars.count
            var own = [Double](repeating: 0, count: d), total = 0.0
            layout.shapeCoordinates(of: x, about: centre, into: &own)
            let u = Array(own[k...]) + Array(own[..<k])
            for r in layout.rotations.indices {
                let at = 2 * layout.axes.count + 3 * r,
                    angle = (0..<3).reduce(0) { $0 + u[at + $1] * u[at + $1] }.squareRoot()
                if angle > 1e-9 { total -= 2 * log(sin(angle / 2) / (angle / 2)) }
            }
            for j in 0..<d {
                let mean = (j + 1..<max(d, j + 1)).reduce(0) { $0 + l($1, j) * u[$1] }, w = mean + l(j, j) * u[j]
                total += log(l(j, j)) - 0.5 * w * w - 0.5 * log(2 * .pi)
                guard j >= d - k else { continue }
                let s = layout.scalars[j - d + k], c = centre[layout.firstScalar + j - d + k]
                let a = mean + l(j, j) * (s.low - c), b = mean + l(j, j) * (s.high - c)
                total -= log(
                    a > 0
                        ? 0.5 * (erfc(a / 2.0.squareRoot()) - erfc(b / 2.0.squareRoot()))
                        : 0.5 * (erfc(-b / 2.0.squareRoot()) - erfc(-a / 2.0.squareRoot())))
            }
            return total
        }
    }

    /// A normal about a random shape: standard deviations about 0.15 times `width`.
    static func subject(
        _ layout: SignalLayout, width: Double = 1, using random: inout RandomSource, centre given: [Double]? = nil
    ) -> Subject {
        let proposal = ShapeProposal(layout), d = proposal.dimension, w = layout.componentCount + 1, n = w + d
        var x = [Double](repeating: 0, count: layout.count)
        x[SignalLayout.firstWeight] = 1
        for k in layout.scalars.indices { x[layout.firstScalar + k] = random.uniform(-0.9, 1.9) }
        for a in layout.axes.indices {
            x.replaceSubrange(layout.firstAxis + 3 * a..<layout.firstAxis + 3 * a + 3, with: unit(3, &random))
        }
        for r in layout.rotations.indices {
            x.replaceSubrange(layout.firstRotation + 4 * r..<layout.firstRotation + 4 * r + 4, with: unit(4, &random))
        }
        x = given ?? x
        var root = [[Double]](repeating: [Double](repeating: 0, count: n), count: n),
            precision = [Double](repeating: 0, count: n * n)
        for i in 0..<n {
            for j in 0..<i { root[i][j] = 2 * random.normal() / width }
            root[i][i] = 7 / width
        }
        for i in 0..<n {
            for j in 0..<n { precision[i * n + j] = (0..<n).reduce(0) { $0 + root[i][$1] * root[j][$1] } }
        }
        var component = [Float](repeating: 0, count: proposal.size)
        let isWritten = proposal.write(
            centre: x, precision: precision, stride: n, orders: [], scale: 1, into: &component)
        precondition(isWritten)
        return Subject(proposal: proposal, centre: x, component: component)
    }

    /// Draws, those that are shapes; rows of a stride of `count`.
    static func draw(_ s: Subject, _ count: Int, using random: inout RandomSource) -> (rows: [Float], kept: Int) {
        let layout = s.proposal.layout
        var rows = [Float](repeating: 0, count: layout.count * count)
        let uniforms = (0..<max(1, s.d * count)).map { _ in Float(random.uniform(1e-6, 1 - 1e-6)) }
        let kept = s.proposal.draw(
            s.component, uniforms, count: count, asked: count, stride: count, rows: &rows, first: 0)
        return (rows, kept)
    }

    static func point(_ rows: [Float], _ i: Int, _ layout: SignalLayout) -> [Double] {
        let stride = rows.count / layout.count
        return (0..<layout.count).map { Double(rows[$0 * stride + i]) }
    }

    static func logDensities(_ subjects: [Subject], _ counts: [Float], _ rows: [Float], _ count: Int) -> [Double] {
        let layout = subjects[0].proposal.layout
        var total = [Float](repeating: -1e30, count: count + 16)
        subjects[0].proposal.addDensities(
            subjects.flatMap(\.component), counts, counts.count, rows: rows, stride: rows.count / layout.count,
            first: 0, count: count, &total)
        return total.prefix(count).map(Double.init)
    }

    /// A scalar whose conditional mean lies hundreds of standard deviations outside its bounds is not drawn at all: a
    /// draw put on the bound would have next to no density, and as a sample of an evidence outweigh all others by e to
    /// the hundreds.
    @Test(arguments: [
        Counts(axes: 0, rotations: 0, scalars: 2), Counts(axes: 1, rotations: 0, scalars: 3),
        Counts(axes: 2, rotations: 1, scalars: 2),
    ])
    func nothingIsDrawnWhereThereIsNoDensity(counts: Counts) {
        var random = RandomSource(seed: 77), s = Self.subject(Self.layout(counts), using: &random)
        let d = s.d, first = s.component.count - d * d
        func set(_ i: Int, _ j: Int, _ value: Float) { s.component[first + i * d + j] = value }
        for i in 0..<d { for j in 0...i { set(i, j, i == j ? 5 : 0) } }
        // The last scalar wide, the one before bound to minus three times it.
        set(d - 1, d - 1, 0.7)
        set(d - 2, d - 2, 200)
        set(d - 1, d - 2, 600)
        let n = 4096, (rows, kept) = Self.draw(s, n, using: &random)
        #expect(kept > n / 10 && kept < 9 * n / 10)
        let densities = Self.logDensities([s], [1], rows, kept)
        #expect(densities.allSatisfy { $0 > -60 }, "\(densities.min() ?? 0)")
    }

    /// The stated accuracy; draws within the support.
    @Test(arguments: SignalProposalTests.counts)
    func densitiesEqualThePlainOnes(_ c: Counts) {
        let layout = Self.layout(c)
        var random = RandomSource(seed: 1, stream: UInt64(c.axes * 100 + c.rotations * 10 + c.scalars)), worst = 0.0,
            count = 0
        for trial in 0..<20 {
            let subjects = (0..<30).map { _ in Self.subject(layout, width: trial % 2 == 0 ? 1 : 3, using: &random) }
            let near = Self.subject(layout, width: 1, using: &random, centre: subjects[0].centre),
                (rows, kept) = Self.draw(subjects[0], 64, using: &random)
            let all = [near] + subjects, counts = all.indices.map { Float(1 + $0 % 5) }
            let found = Self.logDensities(all, counts, rows, kept), single = Self.logDensities([near], [1], rows, kept)
            for i in 0..<kept {
                let x = Self.point(rows, i, layout)
                for k in layout.scalars.indices { #expect(abs(x[layout.firstScalar + k] - 0.5) <= 1.5 + 1e-6) }
                for a in layout.axes.indices {
                    #expect(abs((0..<3).reduce(0) { $0 + pow(x[layout.firstAxis + 3 * a + $1], 2) } - 1) < 2e-6)
                }
                for r in layout.rotations.indices {
                    #expect(abs((0..<4).reduce(0) { $0 + pow(x[layout.firstRotation + 4 * r + $1], 2) } - 1) < 2e-6)
                }
                let plain = all.map { $0.logDensity(x) }
                if plain[0] >= -100 {
                    worst = max(worst, abs(single[i] - plain[0]))
                    count += 1
                }
                let sum = log(zip(plain, counts).reduce(0) { $0 + exp($1.0) * Double($1.1) })
                if sum >= -100 { worst = max(worst, abs(found[i] - sum)) }
            }
        }
        #expect(count > 100 && worst <= 2e-3, "\(worst) over \(count)")
    }

    /// Draws of q₁ follow its density, lost ones counted: E[q₂/q₁] = 1 for a narrower q₂, inside q₁'s reach.
    @Test(arguments: SignalProposalTests.counts)
    func drawsFollowTheDensity(_ c: Counts) {
        guard c.axes + c.rotations + c.scalars < 10 else { return }
        let layout = Self.layout(c)
        var random = RandomSource(seed: 2, stream: UInt64(c.axes * 100 + c.rotations * 10 + c.scalars))
        for _ in 0..<3 {
            let narrow = Self.subject(layout, using: &random)
            var wide = narrow
            let first = wide.component.count - wide.d * wide.d
            for i in first..<wide.component.count { wide.component[i] /= 1.25 }
            let n = 16_000, (rows, kept) = Self.draw(wide, n, using: &random)
            let ratios = zip(Self.logDensities([narrow], [1], rows, kept), Self.logDensities([wide], [1], rows, kept))
                .map { exp($0 - $1) }
            let mean = ratios.reduce(0, +) / Double(n), square = ratios.reduce(0) { $0 + $1 * $1 } / Double(n)
            let error = ((square - mean * mean) / Double(n)).squareRoot()
            #expect(error < 0.06 && abs(mean - 1) < 4 * error + 1e-3, "\(mean) ± \(error)")
        }
    }

    /// What labellings share is one in all, and as the formula says.
    @Test(arguments: [2, 3, 4])
    func labellingsShareASample(_ n: Int) {
        var random = RandomSource(seed: 3, stream: UInt64(n))
        let width = 3 + 4 + 1, count = 21, stride = 37
        func orders(_ n: Int) -> [[Int]] {
            n == 0
                ? [[]] : orders(n - 1).flatMap { o in (0..<n).map { i in Array(o[..<i]) + [n - 1] + Array(o[i...]) } }
        }
        let all = orders(n)
        #expect(Set(all).count == all.count)
        let references = (0..<n).flatMap { _ in
            (Self.unit(3, &random) + Self.unit(4, &random) + [random.normal()]).map(Float.init)
        }
        let kappa = (0..<3 * n).map { _ in Float(random.uniform(0.5, 6) * (n > 3 ? 0.2 : 1)) }
        var rows = [Float](repeating: 0, count: n * width * stride)
        for i in 0..<count {
            for k in 0..<n {
                for (c, v) in (Self.unit(3, &random) + Self.unit(4, &random) + [random.normal()]).enumerated() {
                    rows[(k * width + c) * stride + i] = Float(v)
                }
            }
        }
        func shares(_ order: [Int]) -> [Double] {
            let places = order.flatMap { [Int32($0 * width), Int32($0 * width + 3), Int32($0 * width + 7)] }
            var out = [Double](repeating: 0, count: count), other = out
            places.withUnsafeBufferPointer { p in
                references.withUnsafeBufferPointer { r in
                    kappa.withUnsafeBufferPointer { k in
                        var set = pk_member_set(
                            members: n, axes: 1, rotations: 1, scalars: 1, places: p.baseAddress,
                            references: r.baseAddress, sharpness: k.baseAddress)
                        pk_share_labels(&set, rows, stride, count, &out, &other)
                    }
                }
            }
            #expect(out == other)
            return out
        }
        func likeness(_ i: Int, _ k: Int, _ j: Int) -> Double {
            func x(_ c: Int) -> Double { Double(rows[(k * width + c) * stride + i]) }
            func r(_ c: Int) -> Double { Double(references[j * width + c]) }
            func axes(_ q: [Double]) -> [SIMD3<Double>] {
                let (w, a, b, c) = (q[0], q[1], q[2], q[3])
                return [
                    SIMD3(1 - 2 * (b * b + c * c), 2 * (a * b + w * c), 2 * (a * c - w * b)),
                    SIMD3(2 * (a * b - w * c), 1 - 2 * (a * a + c * c), 2 * (b * c + w * a)),
                    SIMD3(2 * (a * c + w * b), 2 * (b * c - w * a), 1 - 2 * (a * a + b * b)),
                ]
            }
            let dot = x(0) * r(0) + x(1) * r(1) + x(2) * r(2),
                frames = zip(axes((3..<7).map(x)), axes((3..<7).map(r))).reduce(0) { $0 + pow(($1.0 * $1.1).sum(), 2) }
            return Double(kappa[3 * j]) * dot * dot + Double(kappa[3 * j + 1]) * frames - Double(kappa[3 * j + 2])
                * pow(x(7) - r(7), 2)
        }
        let found = all.map(shares)
        for i in 0..<count {
            let logs = all.map { o in (0..<n).reduce(0) { $0 + likeness(i, o[$1], $1) } },
                total = log(logs.reduce(0) { $0 + exp($1) })
            #expect(abs(found.reduce(0) { $0 + exp($1[i]) } - 1) < 1e-3)
            for (f, l) in zip(found, logs) where l - total > -70 { #expect(abs(f[i] - (l - total)) <= 3e-4) }
        }
    }
}
