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

    @Test func weightsOfTheTruthExplainTheData() {
        let layout = Self.layout, m = Self.design.count, y = Self.signal(layout, Self.truth),
            rows = Self.truth.flatMap { Array(repeating: Float($0), count: 16) }
        var e = [Float](repeating: 0, count: 16 * m * layout.componentCount),
            weights = [SampleLanes](repeating: .zero, count: layout.componentCount)
        Decays().kernels(Self.design).attenuations(layout, rows: rows, stride: 16, into: &e)
        var room = [SampleLanes](repeating: .zero, count: WeightFit.roomCount(layout))
        let (squares, scale) = WeightFit.fit(y, count: m, layout, e: e, weights: &weights, room: &room)
        #expect(squares[7] < 0.02)
        #expect(abs(scale[7] - 1.1) < 0.05)
        #expect(abs((0..<3).reduce(0) { $0 + weights[$1][7] } - 1) < 1e-4)
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
