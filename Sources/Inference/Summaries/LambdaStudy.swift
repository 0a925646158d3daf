import Diffusion
import Foundation
import ModelSpace

/// How well two posteriors of the same voxels, from different measurements, agree at several λ: two halves of a scan's
/// volumes (`VolumeHalves`), or two scans.
///
/// Of each λ: fibres found again (`FibresFoundAgain`), agreement of the number of fibres with Cohen's κ, and of halves
/// the density of each half's volumes under the other's posterior (`HeldOutDensity`). Losses against the best λ come
/// with standard errors over blocks of 8×8×8 voxels (smaller where these are fewer than ten), as neighbours share
/// noise, artefacts and anatomy.
///
/// **What λ to take.** The λ at which no fewer net fibres are found again than at the best, within two standard errors
/// of the difference, are a plateau: λ is there to say which fibres are to be believed, and in what comes again nothing
/// is gained by being extreme. Of the plateau, the λ under which unseen volumes are likeliest, where that is the
/// sharper word: where the family is right. Unseen volumes that are likeliest at the least λ are the mark of a family
/// that is not: any structure is then bought that foretells something, fibre or not (`showsMisfit`). There, and without
/// halves, the λ of the plateau nearest to the default: a scan must speak against that to move it.
public struct LambdaStudy: Sendable {
    /// λ that are tried of a family that is to be read from `least` on.
    public static func lambdas(from least: Double) -> [Double] {
        [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2, 2.5, 3].filter { $0 >= least }
    }
    /// Within how many degrees a fibre is found again.
    public static let angle = FibresFoundAgain.angle

    /// A loss against the best λ, and its standard error.
    public struct Loss: Sendable, Equatable {
        public var value: Double, error: Double
        /// Whether it may as well be none.
        public var isSlight: Bool { value <= 2 * error }
    }

    public struct Row: Sendable {
        public var lambda: Double
        /// Of the first, second and third fibre: called in a voxel (mean of both fits), and the share found again.
        public var called: [Double], again: [Double]
        /// Net fibres found again in a voxel.
        public var net: Double, netLoss: Loss
        /// Share of voxels with the same number of fibres, and κ: 1 for full agreement, 0 for what chance gives; nil
        /// where all voxels have one number.
        public var sameNumber: Double, kappa: Double?
        /// Mean log density of a held-out measurement, nats; nil without halves.
        public var density: Double?, densityLoss: Loss?
    }

    public let rows: [Row]
    /// Voxels fitted in both, and blocks of them.
    public let voxels: Int, blocks: Int
    /// Places among the rows: the λ to take, and the best by net fibres and by density.
    public let recommended: Int, mostNet: Int, likeliest: Int?

    public var lambda: Double { rows[recommended].lambda }
    /// The λ whose net fibres are as many as the best's, within two standard errors.
    public var plateau: [Double] { rows.filter(\.netLoss.isSlight).map(\.lambda) }
    /// Whether unseen volumes are likeliest at the least λ, by more than two standard errors: the family lacks
    /// something.
    public let showsMisfit: Bool

    /// The volumes that a half lacks: M of them, V × M signals in scanner units, and how gradients deviate.
    public struct HeldOut: Sendable {
        let acquisition: Acquisition, deviation: GradientDeviation?, signals: [Float]
        public init(acquisition: Acquisition, deviation: GradientDeviation? = nil, signals: [Float]) {
            (self.acquisition, self.deviation, self.signals) = (acquisition, deviation, signals)
        }
    }

    /// - Parameters:
    ///   - archives: two fits of the same voxels.
    ///   - heldOut: for each of them; none for two scans.
    /// - Returns: nil where no voxel is fitted in both.
    /// - Throws: `Stopped`.
    public init?(
        _ archives: (PosteriorArchive, PosteriorArchive), family: (any DiffusionFamily)? = nil, heldOut: [HeldOut] = [],
        threads: Int, progress: (Int) -> Void = { _ in }, shouldStop: @Sendable () -> Bool = { false }
    ) throws {
        let lambdas = Self.lambdas(from: archives.0.metadata.leastLambda), l = lambdas.count,
            pair = [archives.0, archives.1]
        var densities: [HeldOutDensity] = []
        if let family {
            for (archive, held) in zip(pair, heldOut) {
                densities.append(
                    try HeldOutDensity(
                        archive, family, lambdas: lambdas, acquisition: held.acquisition,
                        deviation: held.deviation, signals: held.signals,
                        threads: threads, shouldStop: shouldStop))
                progress(densities.count)
            }
        }
        var sums: [[Sums]] = [], chosen: [Int] = [], block: [Int] = []
        for (k, lambda) in lambdas.enumerated() {
            if shouldStop() { throw Stopped() }
            let a = PosteriorSummary(pair[0], lambda: lambda, threads: threads),
                b = PosteriorSummary(pair[1], lambda: lambda, threads: threads)
            precondition(a.voxels == b.voxels, "two fits of the same voxels")
            if k == 0 {
                chosen = a.voxels.indices.filter { a.isFitted($0) && b.isFitted($0) }
                guard !chosen.isEmpty else { return nil }
                block = Self.blocks(chosen.map { a.voxels[$0] }, grid: pair[0].metadata.grid)
            }
            var own = [Sums](repeating: Sums(), count: block.max()! + 1)
            for (v, place) in zip(chosen, block) {
                own[place].add(FibresFoundAgain(a, b, at: (v, v)))
                for density in densities {
                    own[place].density += density.sums[v * l + k]
                    own[place].measurements += Double(density.counts[v])
                }
            }
            sums.append(own)
            progress(densities.count + k + 1)
        }
        self.init(sums, lambdas, voxels: chosen.count, hasDensity: !densities.isEmpty)
    }

    /// Steps that `progress` is told of.
    public static func steps(of fit: PosteriorMetadata, halves: Bool) -> Int {
        lambdas(from: fit.leastLambda).count + (halves ? 2 : 0)
    }

    /// What is added up of a block's voxels at one λ.
    struct Sums {
        var voxels = 0.0, numbers = [Double](repeating: 0, count: 16), called = SIMD4<Double>(),
            found = SIMD4<Double>(), net = 0.0, density = 0.0, measurements = 0.0

        mutating func add(_ voxel: FibresFoundAgain) {
            voxels += 1
            numbers[4 * voxel.counts.0 + voxel.counts.1] += 1
            called += voxel.called
            found += voxel.found
            net += voxel.net
        }

        mutating func add(_ other: Sums) {
            voxels += other.voxels
            for i in numbers.indices { numbers[i] += other.numbers[i] }
            called += other.called
            found += other.found
            (net, density) = (net + other.net, density + other.density)
            measurements += other.measurements
        }
    }

    /// - Parameter sums: of each λ, those of all blocks.
    init(_ sums: [[Sums]], _ lambdas: [Double], voxels: Int, hasDensity: Bool) {
        let totals = sums.map { $0.reduce(into: Sums()) { $0.add($1) } }
        // Of equal ones the smallest.
        func best(_ value: (Sums) -> Double) -> Int {
            totals.indices.reduce(0) { value(totals[$1]) > value(totals[$0]) ? $1 : $0 }
        }
        let most = best(\.net), likeliest = hasDensity ? best(\.density) : nil
        func loss(_ k: Int, from best: Int, _ value: (Sums) -> Double, over weight: (Sums) -> Double) -> Loss {
            let whole = weight(totals[k]), mean = (value(totals[best]) - value(totals[k])) / max(whole, 1e-300)
            let n = Double(sums[k].count)
            let squares = zip(sums[best], sums[k]).reduce(0.0) {
                let residual = value($1.0) - value($1.1) - mean * weight($1.1)
                return $0 + residual * residual
            }
            return Loss(value: mean, error: n > 1 ? (squares * n / (n - 1)).squareRoot() / whole : .infinity)
        }
        let rows = totals.enumerated().map { k, total in
            Row(
                lambda: lambdas[k], called: (0..<3).map { total.called[$0] / 2 / total.voxels },
                again: (0..<3).map { total.called[$0] > 0 ? total.found[$0] / total.called[$0] : 0 },
                net: total.net / total.voxels, netLoss: loss(k, from: most, \.net, over: \.voxels),
                sameNumber: (0..<4).reduce(0) { $0 + total.numbers[5 * $1] } / total.voxels, kappa: Self.kappa(total),
                density: hasDensity ? total.density / max(1, total.measurements) : nil,
                densityLoss: likeliest.map { loss(k, from: $0, \.density, over: \.measurements) })
        }
        (self.rows, self.voxels, blocks) = (rows, voxels, sums[0].count)
        (mostNet, self.likeliest) = (most, likeliest)
        let plateau = rows.indices.filter { rows[$0].netLoss.isSlight }
        if let likeliest, likeliest > 0 {
            recommended = plateau.reduce(plateau[0]) { totals[$1].density > totals[$0].density ? $1 : $0 }
            showsMisfit = false
        } else {
            let usual = FitOptions().lambda
            let nearest = plateau.reduce(plateau[0]) {
                abs(lambdas[$1] - usual) < abs(lambdas[$0] - usual) ? $1 : $0
            }
            recommended = nearest
            showsMisfit = likeliest != nil && !rows[nearest].densityLoss!.isSlight
        }
    }

    /// Cohen's κ of the two numbers of fibres.
    private static func kappa(_ total: Sums) -> Double? {
        func share(_ places: [Int]) -> Double { places.reduce(0) { $0 + total.numbers[$1] } / total.voxels }
        let same = share((0..<4).map { 5 * $0 })
        let chance = (0..<4).reduce(0.0) { sum, n in
            sum + share((0..<4).map { 4 * n + $0 }) * share((0..<4).map { 4 * $0 + n })
        }
        return chance < 1 ? (same - chance) / (1 - chance) : nil
    }

    /// The block that each voxel lies in, counted from 0.
    private static func blocks(_ voxels: [Int], grid: [Int]) -> [Int] {
        var edge = 8
        while true {
            var known: [[Int]: Int] = [:]
            let places = voxels.map { voxel in
                let at = [voxel % grid[0], voxel / grid[0] % grid[1], voxel / (grid[0] * grid[1])].map { $0 / edge }
                let next = known.count
                return known[at, default: next, insert: true]
            }
            if known.count >= 10 || edge == 1 { return places }
            edge /= 2
        }
    }
}

extension Dictionary {
    /// The value of a key, which is put in where it was none.
    fileprivate subscript(_ key: Key, default value: Value, insert _: Bool) -> Value {
        mutating get {
            if let found = self[key] { return found }
            self[key] = value
            return value
        }
    }
}
