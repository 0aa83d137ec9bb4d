// AsyncAPI 3 takes any JSON schema, redocly's rules only know draft 07: a hub
// message is a list of arguments, which today is told by prefixItems.
export default () => ({
  id: 'parley',
  typeExtension: {
    async3: (types) => ({
      ...types,
      Schema: {
        ...types.Schema,
        properties: { ...types.Schema.properties, prefixItems: types.Schema.properties.allOf },
      },
    }),
  },
})
