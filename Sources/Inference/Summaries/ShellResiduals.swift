import Diffusion
import Foundation

/// What a fit leaves over, by shell, along and across the main fibre: the signature of tissue that the model does not
/// hold for.
///
/// Residuals are (y − E y)/σ, averaged over posterior draws at the fit's λ: noise averages out, misfit does not. Along:
/// |cos| of the gradient direction and the main fibre's axis above 0.8; across: below 0.3. An extra-axonal space that
/// hinders water across the fibre less than along it, which sticks and a ball do not have, shows as negative values
/// along and positive ones across.
public struct ShellResiduals: Codable, Equatable, Sendable {
    /// A mean residual in units of σ, and how many measurements it is of.
    public struct Mean: Codable, Equatable, Sendable {
        public var residual = 0.0, measurements = 0

        mutating func add(_ other: Mean) {
            let total = measurements + other.measurements
            guard total > 0 else { return }
            residual = (residual * Double(measurements) + other.residual * Double(other.measurements)) / Double(total)
            measurements = total
        }
    }
    /// b in s/mm².
    public struct Shell: Codable, Equatable, Sendable {
        public var bValue: Double
        public var along = Mean(), across = Mean()
    }
    /// Some voxels: how many, and their shells by rising b.
    public struct Group: Codable, Equatable, Sendable {
        public var voxels = 0
        public var shells: [Shell]
    }

    /// λ of the draws.
    public var lambda: Double
    /// Voxels with at least one fibre, with one fibre and no more (each with probability above 0.9, and mean fraction
    /// of the main fibre above 0.2).
    public var anyFibre: Group, oneFibre: Group

    /// From the sums of some blocks of voxels, in their order.
    init(_ blocks: [ShellSums], bValues: [Double], lambda: Double) {
        self.lambda = lambda
        anyFibre = Group(shells: bValues.map { Shell(bValue: $0) })
        oneFibre = anyFibre
        for block in blocks {
            anyFibre.add(block.any)
            oneFibre.add(block.one)
        }
    }

    /// The parts of one fit together; nil when one is missing.
    public static func joining(_ parts: [ShellResiduals?]) -> ShellResiduals? {
        guard var whole = parts.first ?? nil else { return nil }
        for part in parts.dropFirst() {
            guard let part, part.lambda == whole.lambda,
                part.anyFibre.shells.map(\.bValue) == whole.anyFibre.shells.map(\.bValue)
            else { return nil }
            whole.anyFibre.add(part.anyFibre)
            whole.oneFibre.add(part.oneFibre)
        }
        return whole
    }

    /// The weighted volumes by b, rounded to 100 s/mm² or so far that at most eight values are left; the number of each
    /// volume's shell, nil for b≈0.
    static func shells(_ acquisition: Acquisition) -> (bValues: [Double], shell: [Int?]) {
        var step = 100.0
        while true {
            let rounded = (0..<acquisition.count).map { i in
                acquisition.isUnweighted(i) ? nil : max(step, (acquisition.bValues[i] / step).rounded() * step)
            }
            let bValues = Set(rounded.compactMap { $0 }).sorted()
            if bValues.count <= 8 { return (bValues, rounded.map { b in b.map { bValues.firstIndex(of: $0)! } }) }
            step *= 2
        }
    }
}

/// What some voxels leave over by shell, summed: of a group the number of voxels, then for each shell sum and number
/// along, sum and number across.
struct ShellSums {
    private(set) var any: [Double], one: [Double]

    init(shells: Int) {
        any = Array(repeating: 0, count: 1 + 4 * shells)
        one = any
    }

    /// Whether a voxel is among those that are summed, as far as its structures go.
    static func hasFibres(_ predictions: VoxelPredictions) -> Bool { predictions.fibreCounts[0] < 0.1 }

    /// - Parameter shell: of each measurement, nil for b≈0.
    mutating func add(
        _ predictions: VoxelPredictions, _ signals: UnsafePointer<Float>, _ acquisition: Acquisition, _ shell: [Int?]
    ) {
        guard predictions.fraction > 0.2 else { return }
        let main = predictions.mainAxis, isSingle = predictions.fibreCounts[1] > 0.9
        any[0] += 1
        if isSingle { one[0] += 1 }
        for j in 0..<acquisition.count {
            let residual = predictions.residuals[j]
            // Exact zeros are measurements that are missing.
            guard let shell = shell[j], residual.isFinite, signals[j] != 0 else { continue }
            let cosine = abs((acquisition.directions[j] * main).sum())
            guard cosine > 0.8 || cosine < 0.3 else { continue }
            let at = 1 + 4 * shell + (cosine < 0.3 ? 2 : 0)
            any[at] += residual
            any[at + 1] += 1
            if isSingle {
                one[at] += residual
                one[at + 1] += 1
            }
        }
    }
}

extension ShellResiduals.Group {
    fileprivate mutating func add(_ other: Self) {
        voxels += other.voxels
        for s in shells.indices {
            shells[s].along.add(other.shells[s].along)
            shells[s].across.add(other.shells[s].across)
        }
    }

    fileprivate mutating func add(_ sums: [Double]) {
        voxels += Int(sums[0])
        func mean(_ at: Int) -> ShellResiduals.Mean {
            .init(residual: sums[at + 1] > 0 ? sums[at] / sums[at + 1] : 0, measurements: Int(sums[at + 1]))
        }
        for s in shells.indices {
            shells[s].along.add(mean(1 + 4 * s))
            shells[s].across.add(mean(3 + 4 * s))
        }
    }
}
