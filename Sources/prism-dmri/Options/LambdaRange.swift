import Inference

/// What is to be said of a λ before it is used.
enum LambdaRange {
    /// A warning, or nil where λ lies in the range that fits are made for.
    /// - Parameters:
    ///   - family: its name.
    ///   - least: λ from which on it is to be read.
    static func warning(_ lambda: Double, family: String, least: Double) -> String? {
        let most = DrawAllocation.range.upperBound
        if lambda > most {
            return "λ = \(lambda) is above \(most): draws are kept for smaller λ only, and maps of parameters may rest "
                + "on few."
        }
        guard lambda < least else { return nil }
        return "λ = \(lambda) is below \(least), from which on '\(family)' is searched: structures of many components, "
            + "which have most of the probability there, are left out. Read it at --lambda \(least) or more."
    }

    static func warning(_ lambda: Double, _ fit: PosteriorMetadata) -> String? {
        warning(lambda, family: fit.family.name, least: fit.leastLambda)
    }
}
