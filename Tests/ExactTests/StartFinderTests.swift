import CKernels
import Foundation
import ModelSpace
import Testing

@testable import Exact

@Suite struct StartFinderTests {
    /// Three shells of directions.
    static let design: [Decays.Measurement] = (0..<60).map { i in
        let z = (Double(i % 20) + 0.5) / 20, phi = 2.399963 * Double(i), r = (1 - z * z).squareRoot()
        return Decays.Measurement(t: i < 4 ? 0 : Double(i / 20 + 1), g: SIMD3(r * cos(phi), r * sin(phi), z))
    }

    static func signal(_ layout: SignalLayout, _ x: [Double]) -> [Float] {
        let m = design.count
        var e = [Float](repeating: 0, count: m * layout.componentCount)
        Decays().kernels(design).attenuations(layout, at: x, into: &e)
        return (0..<m).map { i in
            (0..<layout.componentCount).reduce(0) { $0 + e[$1 * m + i] * Float(x[SignalLayout.firstWeight + $1]) }
                * Float(exp(x[SignalLayout.scale]))
        }
    }

    /// A decay and a rod on top of the rest; bits: decay1, decay2, rod1, rod2, rician.
    static let layout = Decays.layout(Structure(bits: 0b00101))
    static let truth: [Double] = {
        var x = [Double](repeating: 0, count: layout.count)
        (x[SignalLayout.sigma], x[SignalLayout.scale]) = (log(0.01), log(1.1))
        (x[2], x[3], x[4]) = (0.3, 0.2, 0.5)
        (x[layout.firstScalar], x[layout.firstScalar + 1]) = (log(0.8), log(2))
        (x[layout.firstAxis], x[layout.firstAxis + 1], x[layout.firstAxis + 2]) = (0.6, 0, 0.8)
        return x
    }()

    /// What `pk_fit_weights` does to one sample, written plainly in its order.
    private static func plainFit(
        _ y: [Float], _ e: [[Float]], floors: [Float], free: Float
    ) -> (weights: [Float], squares: Float, scale: Float) {
        let w = floors.count, isSimplex = free > 0
        var gram = [[Float]](repeating: [Float](repeating: 0, count: w), count: w),
            product = [Float](repeating: 0, count: w), u = product, squares: Float = 0
        for i in y.indices {
            var row = (0..<w).map { e[$0][i] }
            if isSimplex {
                var mixed: Float = 0
                for k in 0..<w where floors[k] > 0 { mixed += row[k] * (floors[k] / free) }
                for k in 0..<w { row[k] += mixed }
            }
            squares += y[i] * y[i]
            for k in 0..<w {
                product[k] += row[k] * y[i]
                for j in 0..<w { gram[k][j] += row[k] * row[j] }
            }
        }
        for k in 0..<w { gram[k][k] += isSimplex ? 1e-4 * Float(y.count) : 1e-4 }
        for _ in 0..<24 {
            for k in 0..<w {
                var rest = product[k]
                for j in 0..<w where j != k { rest -= gram[k][j] * u[j] }
                let best = rest / gram[k][k]
                u[k] = isSimplex && best < 0 ? 0 : best
            }
        }
        var sum: Float = 0
        for k in 0..<w {
            var g: Float = 0
            for j in 0..<w { g += gram[k][j] * u[j] }
            squares += u[k] * (g - 2 * product[k])
            sum += u[k]
        }
        let scale: Float = !isSimplex ? 1 : sum < 1e-3 ? 1e-3 : sum / free
        return (isSimplex ? zip(u, floors).map { $0 / scale + $1 } : u, squares, scale)
    }

    /// Bit for bit, for as many components as have code of their own and more, fractions with and without floors and
    /// coefficients.
    @Test(arguments: 1...6, [Float(0), 0.05]) func weightsAreThosePlainlyFitted(w: Int, floor: Float) {
        var random = RandomSource(seed: 12)
        let m = 37, y = (0..<m).map { _ in Float(random.uniform()) }
        let e = (0..<w).map { _ in (0..<16).map { _ in (0..<m).map { _ in Float(random.uniform()) } } }
        let floors = (0..<w).map { $0 % 2 == 0 ? floor : 0 }
        let packed = (0..<m).flatMap { i in (0..<w).flatMap { k in (0..<16).map { e[k][$0][i] } } }
        for free in [1 - floors.reduce(0, +), 0] {
            var weights = [Float](repeating: .nan, count: 16 * w), squares = [Float](repeating: .nan, count: 16),
                scale = squares
            pk_fit_weights(m, w, y, packed, floors, free, &weights, &squares, &scale)
            for lane in 0..<16 {
                let plain = Self.plainFit(y, e.map { $0[lane] }, floors: floors, free: free)
                let own = (0..<w).map { weights[16 * $0 + lane] }
                #expect(own == plain.weights)
                #expect(squares[lane] == plain.squares)
                #expect(scale[lane] == plain.scale)
            }
        }
    }

    @Test func weightsOfTheTruthExplainTheData() {
        let layout = Self.layout, m = Self.design.count, w = layout.componentCount,
            y = Self.signal(layout, Self.truth), rows = Self.truth.flatMap { Array(repeating: Float($0), count: 16) }
        var e = [Float](repeating: 0, count: 16 * m * w), weights = [Float](repeating: 0, count: 16 * w),
            squares = [Float](repeating: 0, count: 16), scale = squares
        Decays().kernels(Self.design).attenuations(layout, rows: rows, stride: 16, into: &e)
        pk_fit_weights(
            m, w, y, e, layout.components.map { Float($0.bound) }, Float(1 - layout.floors), &weights, &squares, &scale)
        #expect(squares[7] < 0.02)
        #expect(abs(scale[7] - 1.1) < 0.05)
        let sum: Float = weights[7] + weights[16 + 7] + weights[32 + 7]
        #expect(abs(sum - 1) < 1e-4)
    }

    @Test func findsWhatIsMissing() {
        let y = Self.signal(Self.layout, Self.truth), finder = StartFinder(Decays().kernels(Self.design))
        // From the structure without the rod, and from nothing.
        let without = Decays.layout(Structure(bits: 0b00001)),
            decay = LayoutTransfer(from: Self.layout, to: without).carry(Self.truth)
        for (transfer, x) in [
            (LayoutTransfer(from: without, to: Self.layout), decay), (LayoutTransfer(open: Self.layout), []),
        ] {
            var random = RandomSource(seed: 3)
            let starts = finder.starts(y, transfer, from: x, most: 3, tries: transfer.dimension > 3 ? 512 : 64, &random)
            #expect(starts.count == 3)
            let a = Self.layout.firstAxis, cosine = 0.6 * starts[0][a] + 0.8 * starts[0][a + 2]
            #expect(abs(cosine) > 0.85)
            #expect(starts.allSatisfy { Self.layout.supports($0) })
        }
    }

    /// Where a scalar alone is open, starts are not the neighbours of one another.
    @Test func startsDifferInWhatIsOpen() {
        let two = Decays.layout(Structure(bits: 0b00111)), transfer = LayoutTransfer(from: Self.layout, to: two)
        var random = RandomSource(seed: 5)
        let finder = StartFinder(Decays().kernels(Self.design)), y = Self.signal(Self.layout, Self.truth)
        let starts = finder.starts(y, transfer, from: Self.truth, most: 3, tries: 64, &random)
        #expect(starts.count == 3)
        let j = transfer.scalars[0], s = two.scalars[j], values = starts.map { $0[two.firstScalar + j] }.sorted()
        for (a, b) in zip(values, values.dropFirst()) { #expect(b - a >= 0.149 * (s.high - s.low), "\(values)") }
    }

    @Test func whatBothHaveIsKept() {
        let two = Decays.layout(Structure(bits: 0b00111)), there = LayoutTransfer(from: Self.layout, to: two)
        #expect(there.scalars.count == 1 && there.axes.isEmpty)
        let carried = there.carry(Self.truth), back = LayoutTransfer(from: two, to: Self.layout)
        #expect(!back.isOpen)
        let x = back.carry(carried)
        for i in Self.layout.firstScalar..<Self.layout.count { #expect(abs(x[i] - Self.truth[i]) < 1e-12) }
        #expect(Self.layout.supports(x))
    }
}
