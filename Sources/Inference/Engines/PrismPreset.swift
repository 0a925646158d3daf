/// Speed against accuracy of the draws: how much work the amortised engine gives a voxel.
public enum PrismPreset: String, CaseIterable, Sendable {
    case fast, balanced, exact

    /// Writes the preset's settings into a recipe, which starts as `balanced`.
    func apply(to recipe: inout PrismRecipe) {
        switch self {
        case .fast:
            (recipe.solverSteps, recipe.correctionSweeps, recipe.threeStickSweeps) = (1, 2, 6)
            recipe.refinement = .fast
        case .balanced: break
        case .exact:
            (recipe.solverSteps, recipe.correctionSweeps, recipe.threeStickSweeps) = (5, 40, 40)
            recipe.starts = [1, 3, 8, 8]
            recipe.refinement = .exact
        }
    }

    /// The same for any family.
    func apply<F>(to recipe: inout FamilyEngineRecipe<F>) {
        switch self {
        case .fast:
            recipe.exploration = .fast
            (recipe.sweeps, recipe.fewestMoved, recipe.solverSteps) = (2, 3, 1)
        case .balanced: recipe.exploration = .balanced
        case .exact:
            recipe.exploration = .init()
            (recipe.sweeps, recipe.fewestMoved, recipe.solverSteps) = (32, 1, 5)
        }
    }
}
