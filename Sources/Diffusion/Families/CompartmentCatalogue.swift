import ModelSpace

/// The compartments that a family may be composed of, by name, and what their forms hold for.
public enum CompartmentCatalogue {
    /// Names, in the order in which messages list them.
    public static var names: [String] { list.map(\.name) }

    static func compartment(_ name: String) -> (any Compartment)? { list.first { $0.name == name }?.compartment }

    private static let list: [(name: String, compartment: any Compartment)] = [
        ("ball", Ball()), ("dot", Dot()), ("stick", Stick()), ("zeppelin", Zeppelin()), ("tensor", DiffusionTensor()),
        ("bundle", StraightBundle()), ("plane", Plane()),
        ("watson_stick", WatsonStick()), ("watson_zeppelin", WatsonZeppelin()),
        ("noddi", NODDIBundle(extracellular: .averagedTensor, diffusivities: .free)),
        ("noddi_dispersed", NODDIBundle(extracellular: .dispersed, diffusivities: .free)),
        ("bingham_stick", BinghamStick()), ("bingham_zeppelin", BinghamZeppelin()),
        ("noddi_bingham", NODDIBinghamBundle(extracellular: .averagedTensor, diffusivities: .free)),
        ("noddi_bingham_dispersed", NODDIBinghamBundle(extracellular: .dispersed, diffusivities: .free)),
        ("sandi", SANDIBundle()), ("sandi_bingham", SANDIBinghamBundle()),
        ("sphere", Sphere()), ("cylinder", Cylinder()),
    ]

    /// Where a compartment's kernel is as accurate as it states, by parameter.
    static func validRange(_ parameter: Parameter) -> ClosedRange<Double> {
        switch parameter.name {
        // κ = cot(π/2 · ODI) ≤ 64.
        case "odi": 0.01...0.999
        // Oblate compartments are beyond the forms' bounds.
        case "ratio", "f_in", "f_ec", "skew": 0...1
        case "radius": 0.1...20
        default: 0...0.02
        }
    }

    /// Relative spreads ρ that the gamma-distributed forms hold for.
    static let spreads = 0.01...3.0

    /// The largest b·d of the dispersed forms.
    static let largestExponent = 60.0
}
