import Foundation
import Testing

@testable import Bench

@Suite struct ScalingTests {
    private func series(
        _ quantity: ScalingSeries.Quantity, _ values: [Int], _ processor: (ScalingSeries.Size) -> Double
    ) -> ScalingSeries {
        ScalingSeries(
            name: "made", quantity: quantity,
            points: values.map { value in
                var size = ScalingSeries.Size(voxels: 100, measurements: 50, draws: 50, threads: 2)
                size[quantity] = value
                return .init(
                    size: size, wallSeconds: processor(size) / Double(size.threads), processorSeconds: processor(size))
            })
    }

    @Test func linesAreFoundAgain() throws {
        let x: [Double] = [17, 33, 257], made: [(x: Double, y: Double)] = x.map { (x: $0, y: 5000 + 12 * $0) }
        let exact = try #require(Line(made))
        #expect(abs(exact.intercept - 5000) < 1e-6 && abs(exact.slope - 12) < 1e-9 && exact.deviation < 1e-12)
        // Up and down by 1 %: each point counts by its relative deviation, so none is left far off.
        let factors: [Double] = [1.01, 0.99, 1.01],
            off: [(x: Double, y: Double)] = zip(x, factors).map { (x: $0, y: (5000 + 12 * $0) * $1) }
        let noisy = try #require(Line(off))
        #expect(
            abs(noisy.intercept - 5000) < 150 && abs(noisy.slope - 12) < 1 && noisy.deviation > 0.001
                && noisy.deviation < 0.02)
        let hopeless: [[(x: Double, y: Double)]] = [
            [], [(1, 1)], [(1, 1), (1, 2)], [(1, 0), (2, 1)], [(1, .nan), (2, 1)],
        ]
        for points in hopeless { #expect(Line(points) == nil) }
    }

    @Test func eachSeriesHasItsLine() throws {
        func seconds(_ s: ScalingSeries.Size) -> Double {
            0.5 + Double(s.voxels) * 1e-6 * (1000 + 20 * Double(s.measurements))
        }
        let v = try #require(series(.voxels, [64, 128, 512], seconds).line)
        #expect(abs(v.intercept - 0.5) < 1e-9 && abs(v.slope - 2e-3) < 1e-12)
        let m = try #require(series(.measurements, [17, 65, 257], seconds).line)
        #expect(abs(m.intercept - 6000) < 1e-6 && abs(m.slope - 20) < 1e-9)
        let threads = series(.threads, [1, 2, 8], seconds)
        #expect(threads.line == nil && threads.points.allSatisfy { abs(threads.efficiency($0) - 1) < 1e-12 })
    }

    @Test func plansGrowInOneQuantityAndSeriesSurviveJSON() throws {
        let base = ScalingSeries.Size(voxels: 256, measurements: 100, draws: 50, threads: 6),
            plan = ScalingPlan(base: base)
        #expect(
            plan.sizes[.threads]!.map(\.threads) == [1, 2, 4, 6]
                && plan.sizes[.measurements]!.map(\.measurements) == [17, 33, 65, 129, 257])
        for (quantity, sizes) in plan.sizes where quantity != .threads {
            for var size in sizes {
                size[quantity] = base[quantity]
                #expect(size == base)
            }
        }
        #expect(
            ScalingPlan(base: .init(voxels: 1, measurements: 10, draws: 5, threads: 1)).sizes[.threads]!.map(\.threads)
                == [1])
        let made = series(.draws, [25, 50]) { Double($0.draws) },
            back = try JSONDecoder().decode(ScalingSeries.self, from: JSONEncoder().encode(made))
        #expect(back.quantity == .draws && back.line == made.line && back.points.map(\.size) == made.points.map(\.size))
    }
}
