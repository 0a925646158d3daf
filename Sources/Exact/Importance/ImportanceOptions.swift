extension ImportanceSampler {
    /// How finely a structure is sampled.
    package struct Options: Sendable {
        /// Samples of a generation, and components that one after the first adds.
        package var generation = 512, components = 16
        /// Samples of a first generation that another is to follow at once: they show where its are to be drawn. Nil
        /// for as many as of any.
        package var first: Int?
        /// Gauss–Newton steps from a start to a mode.
        package var climbs = 8
        /// How often the width of a direction that is wide beside the prior is looked for at most.
        package var looks = 3
        /// Standard deviations of components relative to the local normal's: somewhat wide, to guard the tails.
        package var scale = 1.2
        /// Samples that the first generation draws from open components (`OpenComponents.swift`) for each that it draws
        /// about modes.
        package var open = 0.5
        package var grid = ScalarGrid()
        package init() {}
        /// What the answers depend on, in a line.
        package var summary: String {
            let samples = (first.map { "\($0)+" } ?? "") + "\(generation)x\(components)"
            return "\(samples), \(climbs) climbs, \(looks) looks, scale \(scale), open \(open), \(grid.summary)"
        }
    }
}
