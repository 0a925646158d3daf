import Inference
import Testing

@testable import Reporting

struct FamilyNamesTests {
    /// BIDS labels have letters and digits only, and no two maps may have one name, whatever a recipe calls its
    /// parameters.
    @Test func everyMapHasANameOfItsOwn() {
        func quantity(_ name: String, _ group: String = "part", _ kind: FamilyQuantity.Kind = .parameter)
            -> FamilyQuantity
        {
            FamilyQuantity(name: name, kind: kind, group: group, unit: "")
        }
        let names = BIDSOutputs.ownNames([
            quantity("odi"), quantity("f_in"), quantity("fin"), quantity("snr", ""), quantity("vf"),
            quantity("fraction_sum", "sum", .fraction),
            quantity("µ"), quantity("_", ""), quantity("fraction_water", "water", .fraction), quantity("vfwater"),
        ])
        #expect(names[0] == "odi" && names[1] == "fin" && names[8] == "vfwater")
        #expect(Set(names).count == names.count)
        #expect(Set(names).isDisjoint(with: ["snr", "vf", "vfsum", "s0", "vector", "structure"]))
        #expect(names.allSatisfy { !$0.isEmpty && $0.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber) } })
    }
}
