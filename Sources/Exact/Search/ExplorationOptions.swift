extension StructureExplorer {
    /// How far and how finely is searched; the default takes its time.
    public struct Options: Sendable {
        package var sampling = ImportanceSampler.Options()
        /// λ from which on, to 3, answers are to be right; no search is made for what matters below it only.
        public var leastLambda = 0.0
        /// λ at which what matters is looked for.
        public var lambdas: [Double] { [leastLambda] + [0.5, 1, 2, 3].filter { $0 > leastLambda } }
        /// Nats below the best at every one of `lambdas` beyond which a structure is not sampled: by Laplace's
        /// approximation, and by the network.
        public var cutoff = 10.0, networkCutoff = 8.0
        /// Nats below the best by the network beyond which a structure is not looked at for its neighbours' sake.
        public var networkExclusion = Double.infinity
        /// Nats below the best within which the network's word is read, and stands for what is not looked at; nil where
        /// that has none: then it is read as far as it excludes nothing.
        public var networkReach: Double?
        /// How often its word is then read again, on the level of what was found, and how many structures are looked at
        /// each time that are not as far below as they seemed.
        public var rereadings = 0, mostReread = 16
        /// Nats below the best within which a structure's neighbours are looked at too.
        public var window = 6.0
        /// Nats below the best, by Laplace's approximation or the network, within which a scalar that a structure
        /// barely determines gets its grid, and the mode under the other kind of noise is looked for.
        public var close = Double.infinity
        /// Nats below the best within which members that may change places are looked for once more: with so many
        /// starts for each of them, the others being as in the best mode.
        public var reopening = 4.0, reopenings = 3
        /// Structures looked at, noise aside, at most, and how many of them because a network names them.
        public var mostStructures = 192, mostNamed = 20
        /// From how many neighbours' modes a structure's own are looked for, with how many starts each, of how many
        /// that are tried.
        public var parents = 2, births = 2, tries = 64
        /// The same where there is nothing to start from.
        public var firstStarts = 4, firstTries = 256
        /// Without a network: structures of so many components or fewer are looked for like that too, with so many
        /// starts, besides those from so many neighbours.
        public var plainCount = 2, plainStarts = 2, plainParents = 3
        /// Generations that a structure gets first: within 3 nats of the best, and the others; and where it is as
        /// likely as not, by its shape's dimension, but no more than `most`: what samples cost grows with the square of
        /// how many generations they come from.
        public var likely = 2, unlikely = 1, fewest = 3, perDimension = 0.55, most = 32
        /// Generations given after that, one at a time to the structure whose error most moves the posterior, while it
        /// moves it by more than `tolerance`.
        public var further = 5, tolerance = 0.01
        /// Whether structures that were not sampled are before they are drawn from (`sampleToDraw`).
        public var samplesDrawn = true
        public init() {}

        /// A search of structures that are far from settled by speed: what matters is found, and its evidence good to
        /// a few tenths of a nat.
        public static let balanced: Options = {
            var options = Options()
            (options.cutoff, options.window, options.networkExclusion, options.close) = (5.5, 6, 5, 1)
            (options.reopening, options.reopenings) = (1, 2)
            (options.parents, options.births, options.tries, options.mostNamed) = (1, 1, 32, 40)
            (options.sampling.first, options.sampling.generation, options.sampling.components) = (64, 256, 8)
            (options.perDimension, options.most, options.further) = (0.5, 9, 3)
            return options
        }()

        /// What a network names, the plainest structures and, where it does not doubt them, the neighbours of the best.
        public static let fast: Options = {
            var options = balanced
            options.sampling.looks = 1
            (options.cutoff, options.window, options.networkExclusion, options.close) = (2.75, 2.5, 2.5, 0)
            (options.mostNamed, options.tries, options.reopenings) = (10, 16, 0)
            (options.sampling.first, options.sampling.generation, options.sampling.components) = (nil, 64, 2)
            options.sampling.grid.nodes = 0
            (options.fewest, options.perDimension, options.further, options.samplesDrawn) = (2, 0.15, 0, false)
            return options
        }()

        /// Farther below the best: of families with too many structures to list each has little probability.
        public mutating func widen() {
            (cutoff, window, networkExclusion) = (cutoff + 2, window + 2, networkExclusion + 3)
        }

        /// For a search that a network begins, unless it is to exclude nothing. Its word is read far below the best,
        /// for it stands alone for what is not looked at: that tells more, in a tenth of the time, than looking
        /// farther. (Not of `balanced` where structures are few: what that does not look at is next to nothing on
        /// simulations, and on real scans less than a network says.)
        ///
        /// On 1,000 simulations of a family of 376 structures, with nothing said of what `fast` does not look at (126
        /// of the true structures): log scores of structures, a number of components and all components 4.218, 0.955
        /// and 4.685 nats, now 4.212, 0.91 and 4.50, in nine tenths of the time. Of one of 131,070, with cutoffs of 7.5
        /// and 4.75 nats and everything looked at that the network gave 8 and 5.5: `balanced` 2.26, 0.587 and 2.080,
        /// now 2.26, 0.593 and 2.081 in half of the time; `fast` 0.656 and 2.19, now 0.633 and 2.18 in four tenths of
        /// it.
        public mutating func lean(isListed: Bool) {
            guard networkExclusion.isFinite else {
                if !isListed { widen() }
                return
            }
            if further == 0 {
                (networkReach, rereadings) = (6.5, 1)
                if isListed { networkExclusion -= 0.5 } else { cutoff += 1.5 }
            } else if !isListed {
                (cutoff, networkExclusion, networkReach) = (cutoff + 1, networkExclusion - 0.5, 8)
            }
        }

        /// What the answers depend on, in a line.
        public var summary: String {
            """
            \(sampling.summary); \(mostStructures) structures, \(mostNamed) named, \(parents)x\(births) of \(tries) \
            and \(firstStarts) of \(firstTries) starts, \(plainStarts)+\(plainParents) for \(plainCount), \
            reopening \(reopenings) within \(reopening), cutoffs \
            \(cutoff)/\(networkCutoff)/\(window)/\(networkExclusion)/\(close)\
            \(networkReach.map { ", read to \($0) and \(rereadings)x\(mostReread)" } ?? ""), \(likely)/\(unlikely) to \
            \(fewest)+\(perDimension)d (\(most)) generations+\(further) to \
            \(tolerance)\(samplesDrawn ? ", drawn too" : "")\(leastLambda > 0 ? ", λ from \(leastLambda)" : "")
            """
        }
    }
}
