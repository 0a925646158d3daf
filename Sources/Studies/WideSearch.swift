import Diffusion
import Inference

/// The search of the engine for any family made much wider: what that engine is held against as long as there is none
/// for all families that works otherwise.
///
/// More structures are looked at, from more starts, further below the best; their evidence is sampled longer and the
/// draws are moved more. So it shows what the search misses or leaves uncertain for the sake of speed. A fault that
/// both have it cannot show: ranks of the truth do.
public struct WideSearch: EngineRecipe {
    private var base: any EngineRecipe

    /// - Errors: `NetworkFileError` as of `FamilyEngineRecipe`, never without a network.
    public init<F: DiffusionFamily>(family: F, acquisition: Acquisition, options: FitOptions) throws {
        var recipe = try FamilyEngineRecipe(
            family: family, file: nil, path: "", acquisition: acquisition, options: options, preset: .exact)
        recipe.exploration.cutoff = 14
        recipe.exploration.window = 10
        recipe.exploration.mostStructures = 1024
        (recipe.exploration.parents, recipe.exploration.births, recipe.exploration.tries) = (4, 3, 128)
        (recipe.exploration.firstStarts, recipe.exploration.firstTries) = (8, 512)
        (
            recipe.exploration.likely, recipe.exploration.unlikely, recipe.exploration.fewest,
            recipe.exploration.perDimension
        ) = (4, 2, 6, 1.1)
        (recipe.exploration.further, recipe.exploration.tolerance) = (15, 0.004)
        recipe.sweeps = 32
        base = recipe
    }

    /// What a report says of it.
    public static let statement =
        """
        wide search: the same search without a network, over more structures from more starts, with more samples and \
        sweeps; no independent engine
        """

    public var diffusionFamily: any DiffusionFamily { base.diffusionFamily }
    public var name: String { "wide search" }
    public var drawCount: Int { base.drawCount }
    public var notes: [String: String] { base.notes }
    public var voxelsAtOnce: Int { base.voxelsAtOnce }
    public var leastLogProbability: Double? { base.leastLogProbability }
    public func makeEngine() -> any PosteriorEngine { base.makeEngine() }

    public func adapted(to acquisition: Acquisition, noise: NoiseKinds) -> any EngineRecipe {
        var recipe = self
        recipe.base = base.adapted(to: acquisition, noise: noise)
        return recipe
    }
}
