/// The quantities of which a summary gives posterior mean, standard deviation and quantiles.
public enum SummaryQuantity: Int, CaseIterable, Sendable {
    /// Mean diffusivity and the standard deviation of diffusivities (0 in draws without spread), mm²/s.
    case diffusivity, spread
    /// Signal-to-noise ratio S0/σ, and S0 in scanner units.
    case snr, s0
    /// The noise's standard deviation σ = S0/SNR in scanner units.
    case noise
    /// Sum of the fibres' fractions, and each fibre's fraction (0 in draws that lack it).
    case fractionSum, fraction1, fraction2, fraction3

    /// The fraction of fibre 0, 1 or 2.
    public static func fraction(_ fibre: Int) -> SummaryQuantity {
        SummaryQuantity(rawValue: fraction1.rawValue + fibre)!
    }

    /// Its value in one draw (`DrawColumn`'s numbers), in natural units.
    @inline(__always)
    func value(_ draw: UnsafePointer<Float>, meanB0: Float, _ assignment: FibreAssignment) -> Float {
        let f = DrawColumn.fraction
        switch self {
        case .diffusivity: return draw[DrawColumn.diffusivity] * 1e-3
        case .spread: return draw[DrawColumn.spread] * 1e-3
        case .snr: return draw[DrawColumn.snr]
        case .s0: return draw[DrawColumn.scale] * meanB0
        case .noise: return draw[DrawColumn.snr] > 0 ? draw[DrawColumn.scale] * meanB0 / draw[DrawColumn.snr] : 0
        case .fractionSum: return draw[f] + draw[f + 1] + draw[f + 2]
        case .fraction1, .fraction2, .fraction3:
            return assignment.stick(rawValue - SummaryQuantity.fraction1.rawValue).map { draw[f + $0] } ?? 0
        }
    }
}

/// Posterior mean, standard deviation, and 5, 50, 95 % quantiles.
public enum SummaryStatistic: Int, CaseIterable, Sendable {
    case mean, sd, q05, q50, q95
}

/// One number that a summary holds for every voxel.
public enum SummaryColumn: Equatable, Sendable {
    /// Posterior probability of a row of the fit's `StructureTable`, and of a number of fibres.
    case structure(Int), fibreCount(Int)
    /// Posterior probability that diffusivities are distributed, and that the noise is Rician.
    case spread, rician
    /// Posterior mean number of fibres, and the most probable number (the smaller on a tie).
    case expectedFibreCount, likeliestFibreCount
    /// 1/Σw² of the draws' weights at this λ; S at the λ of the fit.
    case effectiveDraws
    case statistic(SummaryQuantity, SummaryStatistic)
    /// Share of draws that have the fibre; the fibre's mean axis (x, y or z in the scanner frame, unit length, 0 if no
    /// draw has it); and 1 − the largest eigenvalue of its mean dyad (0 when all draws agree, 2/3 when directions are
    /// uniform).
    case presence(Int), direction(Int, axis: Int), dispersion(Int)
    /// Posterior probability, at most, of all structures that the fit does not list.
    case unlisted
    /// Posterior probability of a component (`PosteriorMetadata.components`), and a number of the family's own
    /// (`.quantities`): of a parameter, over draws that have it, and 0 where none has.
    case component(Int), quantity(Int, SummaryStatistic)
    /// Posterior probability that the structure has a number of the family's own, and that it is one of the named
    /// models (`.models`; the one after the last: none of them).
    case quantityPresence(Int), model(Int)

    /// Whether it follows from structures' probabilities alone, without draws.
    public var isOfStructures: Bool {
        switch self {
        case .structure, .fibreCount, .spread, .rician, .expectedFibreCount, .likeliestFibreCount, .unlisted,
            .component, .quantityPresence, .model:
            true
        case .effectiveDraws, .statistic, .presence, .direction, .dispersion, .quantity: false
        }
    }

    /// Position among the columns of a summary.
    func index(_ shape: SummaryShape) -> Int {
        let k = DrawColumn.fibreCount, z = shape.structures
        let statistics = z + k + 1 + 5
        let fibres = statistics + SummaryQuantity.allCases.count * SummaryStatistic.allCases.count
        switch self {
        case .structure(let i): return i
        case .fibreCount(let n): return z + n
        case .spread: return z + k + 1
        case .rician: return z + k + 2
        case .expectedFibreCount: return z + k + 3
        case .likeliestFibreCount: return z + k + 4
        case .effectiveDraws: return z + k + 5
        case .statistic(let quantity, let statistic):
            return statistics + quantity.rawValue * SummaryStatistic.allCases.count + statistic.rawValue
        case .presence(let fibre): return fibres + fibre
        case .direction(let fibre, let axis): return fibres + k + 3 * fibre + axis
        case .dispersion(let fibre): return fibres + 4 * k + fibre
        case .unlisted: return fibres + 5 * k
        case .component(let i): return fibres + 5 * k + 1 + i
        case .quantity(let i, let statistic):
            return fibres + 5 * k + 1 + shape.components + i * SummaryStatistic.allCases.count + statistic.rawValue
        case .quantityPresence(let i): return SummaryColumn.quantity(shape.quantities, .mean).index(shape) + i
        case .model(let i): return SummaryColumn.quantityPresence(shape.quantities).index(shape) + i
        }
    }
}

/// How many structures (rows of a fit's table), components, numbers of its own and named models a family has: what the
/// columns of a summary follow from.
struct SummaryShape: Sendable {
    var structures: Int, components = 0, quantities = 0, models = 0

    var columns: Int { SummaryColumn.model(models > 0 ? models + 1 : 0).index(self) }
}

extension PosteriorMetadata {
    /// Names of the components whose probabilities a summary has: bits of a structure. None for ball and sticks, which
    /// has columns for each.
    public var components: [String] { layout.quantities.components }
    /// The family's own numbers that a summary has.
    public var quantities: [FamilyQuantity] { layout.quantities.list }
    /// Names of models that users know some structures by.
    public var models: [String] { layout.quantities.models }

    var summaryShape: SummaryShape {
        SummaryShape(
            structures: structures.count, components: components.count, quantities: quantities.count,
            models: models.count)
    }
}
