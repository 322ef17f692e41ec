#!/bin/sh
# Lets GitHub deploy one environment, once and by hand:  sh infra/trust_github.sh ENVIRONMENT REGION
#
# Makes the resource group and an identity that only that environment of this repository can take on. Its roles end at
# the group, and it can give away only the roles that the templates assign. Needs az, signed in as owner of the
# subscription, and gh.
set -eu
environment=$1 region=$2

# GitHub says how its tokens name this repository: those made or renamed since July 2026 have ids in it.
repository=$(gh api 'repos/{owner}/{repo}/actions/oidc/customization/sub' --jq .sub_claim_prefix)
case $repository in
    repo:*) ;;
    *) echo "GitHub does not say how its tokens name this repository, but: $repository" >&2; exit 1 ;;
esac

# Who has roles on a group alone cannot do this. Microsoft.App is of Flex Consumption in a virtual network.
providers=$(grep -ohE "Microsoft\.[A-Za-z]+/" infra/*.bicep infra/app/*.bicep | tr -d / | sort -u)
for provider in Microsoft.App $providers; do
    az provider register --namespace "$provider" --wait
done

group=$(az group create --name "rg-buzzguard-$environment" --location "$region" --query id --output tsv)
app=$(az ad app create --display-name "buzzguard-$environment" --query appId --output tsv)
az ad app federated-credential create --id "$app" --output none --parameters "{\"name\": \"github\",
    \"issuer\": \"https://token.actions.githubusercontent.com\", \"audiences\": [\"api://AzureADTokenExchange\"],
    \"subject\": \"$repository:environment:$environment\"}"
principal=$(az ad sp create --id "$app" --query id --output tsv)

guid='[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}'
roles=$(grep -ohE "$guid" infra/*.bicep infra/app/*.bicep | sort -u | paste -sd, - | sed 's/,/, /g')
only="ForAnyOfAnyValues:GuidEquals {$roles}"
of=Microsoft.Authorization/roleAssignments
assign() {
    az role assignment create --assignee-object-id "$principal" --assignee-principal-type ServicePrincipal \
        --scope "$group" --output none --role "$@"
}
assign Contributor
assign "Role Based Access Control Administrator" --condition-version 2.0 --condition \
    "((!(ActionMatches{'$of/write'})) OR (@Request[$of:RoleDefinitionId] $only)) AND \
((!(ActionMatches{'$of/delete'})) OR (@Resource[$of:RoleDefinitionId] $only))"

az account show --query "join('', ['AZURE_CLIENT_ID=$app AZURE_TENANT_ID=', tenantId, ' AZURE_SUBSCRIPTION_ID=', id])" \
    --output tsv
