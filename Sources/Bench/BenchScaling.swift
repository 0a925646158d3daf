import Diffusion
import Foundation
import Inference

/// How the cost of a fit grows with one quantity, the others held.
public struct ScalingSeries: Codable, Sendable {
    /// What can grow: voxels V, volumes M, draws a voxel S, threads.
    public enum Quantity: String, Codable, Sendable, CaseIterable {
        case voxels, measurements, draws, threads
    }

    /// The size of one fit.
    public struct Size: Codable, Sendable, Equatable {
        public var voxels: Int, measurements: Int, draws: Int, threads: Int

        public init(voxels: Int, measurements: Int, draws: Int, threads: Int) {
            (self.voxels, self.measurements, self.draws, self.threads) = (voxels, measurements, draws, threads)
        }

        public subscript(quantity: Quantity) -> Int {
            get { self[keyPath: Self.path(quantity)] }
            set { self[keyPath: Self.path(quantity)] = newValue }
        }

        private static func path(_ quantity: Quantity) -> WritableKeyPath<Size, Int> {
            switch quantity {
            case .voxels: \.voxels
            case .measurements: \.measurements
            case .draws: \.draws
            case .threads: \.threads
            }
        }
    }

    public struct Point: Codable, Sendable {
        public var size: Size
        /// Fitting and archiving by the wall clock, and by processor time of all threads, which other programs disturb
        /// less.
        public var wallSeconds: Double, processorSeconds: Double

        public init(size: Size, wallSeconds: Double, processorSeconds: Double) {
            (self.size, self.wallSeconds, self.processorSeconds) = (size, wallSeconds, processorSeconds)
        }

        public var voxelsPerSecond: Double { Double(size.voxels) / wallSeconds }
        public var microsecondsPerVoxel: Double { 1e6 * processorSeconds / Double(size.voxels) }
    }

    public var name: String, quantity: Quantity, points: [Point]
    /// Of V: processor seconds = a + b·V. Of M and S: processor µs a voxel = a + b·M. Of threads none: what counts
    /// there is `efficiency`.
    public var line: Line?

    public init(name: String, quantity: Quantity, points: [Point]) {
        (self.name, self.quantity, self.points) = (name, quantity, points)
        guard quantity != .threads else { return }
        line = Line(
            points.map {
                (Double($0.size[quantity]), quantity == .voxels ? $0.processorSeconds : $0.microsecondsPerVoxel)
            })
    }

    /// Throughput over that of the first point, as a share of what as many more threads could do at best.
    public func efficiency(_ point: Point) -> Double {
        point.voxelsPerSecond / points[0].voxelsPerSecond * Double(points[0].size.threads) / Double(point.size.threads)
    }
}

/// y = a + b·x with the least sum of squared relative deviations, so that small sizes count as much as large ones.
public struct Line: Codable, Sendable, Equatable {
    public var intercept: Double, slope: Double
    /// Largest |y − (a + b·x)| / y.
    public var deviation: Double

    /// Nil with fewer than two different x, or where some y is not positive.
    public init?(_ points: [(x: Double, y: Double)]) {
        guard points.allSatisfy({ $0.x.isFinite && $0.y.isFinite && $0.y > 0 }) else { return nil }
        let weights = points.map { 1 / ($0.y * $0.y) }, sum = weights.reduce(0, +)
        func mean(_ value: ((x: Double, y: Double)) -> Double) -> Double {
            zip(weights, points).reduce(0) { $0 + $1.0 * value($1.1) } / sum
        }
        let x = mean(\.x), y = mean(\.y), xx = mean { ($0.x - x) * ($0.x - x) }, xy = mean { ($0.x - x) * ($0.y - y) }
        guard xx > 0 else { return nil }
        let b = xy / xx, a = y - b * x
        (slope, intercept) = (b, a)
        deviation = points.reduce(0) { max($0, abs($1.y - (a + b * $1.x)) / $1.y) }
    }
}

/// Fits whose size grows in one quantity at a time.
public struct ScalingPlan: Sendable {
    public var base: ScalingSeries.Size
    public var sizes: [ScalingSeries.Quantity: [ScalingSeries.Size]]

    /// - Parameter base: what stays of it while another grows; its threads are the most that are tried.
    public init(base: ScalingSeries.Size) {
        self.base = base
        let threads =
            Array(sequence(first: 1) { 2 * $0 < base.threads ? 2 * $0 : nil })
            + (base.threads > 1 ? [base.threads] : [])
        let values: [ScalingSeries.Quantity: [Int]] = [
            .voxels: [1, 2, 4, 8].map { base.voxels * $0 / 2 }.filter { $0 > 0 },
            .measurements: [17, 33, 65, 129, 257], .draws: [25, 50, 100, 200],
            .threads: threads,
        ]
        sizes = Dictionary(
            uniqueKeysWithValues: values.map { quantity, values in
                (
                    quantity,
                    values.map { value in
                        var size = base
                        // So many voxels that the last block, for which one thread works alone, is little.
                        if quantity == .threads { size.voxels = base.voxels * max(4, base.threads) }
                        size[quantity] = value
                        return size
                    }
                )
            })
    }

    /// Measures series after series.
    /// - Parameters:
    ///   - repeats: fits of every size, of which the fastest counts.
    ///   - recipe: the engine for an acquisition and options.
    public func measure(
        _ name: String, repeats: Int, recipe: (Acquisition, FitOptions) throws -> any EngineRecipe
    ) throws -> [ScalingSeries] {
        func point(_ size: ScalingSeries.Size) throws -> ScalingSeries.Point {
            let acquisition = BenchSubject.acquisition(measurements: size.measurements)
            var options = FitOptions()
            (options.samples, options.threads) = (size.draws, size.threads)
            let timing = try PipelineTiming.measure(
                name, recipe: recipe(acquisition, options), modesOnly: nil, acquisition: acquisition, options: options,
                voxels: size.voxels,
                repeats: repeats)
            return .init(
                size: size, wallSeconds: Double(size.voxels) / timing.voxelsPerSecond,
                processorSeconds: timing.processorSeconds)
        }
        // The first fit of a program starts threads and touches weights.
        _ = try point(base)
        return try ScalingSeries.Quantity.allCases.compactMap { quantity in
            try sizes[quantity].map { ScalingSeries(name: name, quantity: quantity, points: try $0.map(point)) }
        }
    }
}
